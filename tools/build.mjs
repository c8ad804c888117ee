import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runToEnd } from './process.mjs'

const compiler = 'node_modules/typescript/bin/tsc'
const settings = ['tsconfig.json', 'package-lock.json']

/** Compiles to `dist` when a source is newer, new or gone since the last build. */
export async function build(root) {
  const stamp = join(root, 'dist', '.sources')
  const sources = fingerprint(root)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === sources) return
  console.error('Building.')
  const code = await runToEnd(process.execPath, [compiler], { cwd: root })
  if (code !== 0)
    throw new Error('The sources do not compile. The messages are above; correct them and run this again.')
  mkdirSync(join(root, 'dist'), { recursive: true })
  writeFileSync(stamp, sources)
}

function fingerprint(root) {
  const hash = createHash('sha256')
  const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'))
  for (const file of [...settings, ...include.flatMap((folder) => sourcesIn(root, folder))]) {
    const { mtimeMs, size } = statSync(join(root, file))
    hash.update(`${file} ${mtimeMs} ${size}\n`)
  }
  return hash.digest('hex')
}

function sourcesIn(root, folder) {
  if (!existsSync(join(root, folder))) return []
  const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
  return names
    .filter((name) => /\.(ts|json)$/.test(name))
    .sort()
    .map((name) => join(folder, name))
}
