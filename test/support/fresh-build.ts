import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const sources = ['src', 'workflows', 'activities', 'examples', 'test/support'] as const
const program = 'dist/test/support/crashing-worker.js'

/**
 * Tests that start programs of their own run what was compiled, beside workflows bundled from what was not: an old build
 * would stand still until a time-out. Throws with what to do.
 */
export function requireFreshBuild(root: string): void {
  const built = statSync(join(root, program), { throwIfNoEntry: false })?.mtimeMs ?? 0
  for (const folder of sources) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      const path = join(folder, name)
      if (!name.endsWith('.ts') || statSync(join(root, path)).mtimeMs <= built) continue
      throw new Error(
        `${path} is newer than what was compiled into dist/. Run \`npm run build\`, then the tests again.`,
      )
    }
  }
}
