import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { bundleWorkflowCode } from '@temporalio/worker'
import { projectRoot, readJson, writeAtomically } from './files'

/** What a bundle can hold code from. */
const sources = ['workflows', 'src', 'package-lock.json']

/**
 * Bundles the workflows into `output`, unless it holds the bundle of the very same sources. Gives false when there are
 * no workflows.
 */
export async function buildWorkflowBundle(output: string): Promise<boolean> {
  const root = projectRoot()
  const workflowsPath = join(root, 'workflows', 'index.ts')
  if (!existsSync(workflowsPath)) return false
  const stamp = `${output}.json`
  const fingerprint = fingerprintOf(root)
  const built = readJson(stamp) as { fingerprint?: string } | undefined
  if (built?.fingerprint === fingerprint && existsSync(output)) return true
  const { code } = await bundleWorkflowCode({ workflowsPath, logger: quiet })
  mkdirSync(dirname(output), { recursive: true })
  writeAtomically(output, code)
  writeAtomically(stamp, JSON.stringify({ fingerprint }))
  return true
}

const ignore = (): void => undefined
const quiet = { log: ignore, trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore }

function fingerprintOf(root: string): string {
  const hash = createHash('sha256')
  for (const source of sources) {
    const path = join(root, source)
    for (const file of filesOf(path)) hash.update(`${file}\0`).update(readFileSync(file))
  }
  return hash.digest('hex')
}

function filesOf(path: string): readonly string[] {
  if (!existsSync(path)) return []
  if (!path.endsWith('.json')) {
    const names = readdirSync(path, { recursive: true, encoding: 'utf8' })
    return names
      .filter((name) => /\.(ts|json)$/.test(name))
      .sort()
      .map((name) => join(path, name))
  }
  return [path]
}
