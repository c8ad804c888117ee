import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runToEnd } from './process.mjs'

/** Installs what `package-lock.json` says when it is not there yet. Install scripts are not needed, so none runs. */
export async function install(root) {
  const stamp = join(root, 'node_modules', '.sluice-lock')
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  if (!isInstalled(root)) {
    console.error('Installing dependencies (npm ci); about a minute the first time.')
    const [command, ...first] = npm()
    const code = await runToEnd(command, [...first, 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: root })
    if (code !== 0) {
      throw new Error(
        `npm could not install the dependencies (exit code ${code}). Its messages are above. If the registry cannot be ` +
          'reached, check the network or proxy with `npm ping`, then run this again.',
      )
    }
  }
  writeFileSync(stamp, wanted)
}

/** Whether an earlier `npm install` or `npm ci` put the very same versions there. */
function isInstalled(root) {
  const hidden = packagesOf(join(root, 'node_modules', '.package-lock.json'))
  const wanted = packagesOf(join(root, 'package-lock.json'))
  if (hidden === undefined || wanted === undefined) return false
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional || hidden[path]?.version === version,
  )
}

function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages
  } catch {
    return undefined
  }
}

/** The npm that runs this, else the one on PATH. */
function npm() {
  const path = process.env.npm_execpath
  return path?.endsWith('.js') && existsSync(path) ? [process.execPath, path] : ['npm']
}
