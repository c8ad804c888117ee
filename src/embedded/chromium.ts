import { existsSync } from 'node:fs'
import type { Config } from '../config'
import { SluiceError } from '../errors'
import { findOnPath, runCommand } from './command'
import { type Progress, withHeartbeat } from './progress'
import { reasonOf } from './provision'

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']
const bundles = [
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]
const aptMs = 15 * 60_000

/** The path of a Chromium for `playwright-core`. Throws `provision_failed` saying what was tried. */
export async function provisionChromium(config: Config, progress: Progress): Promise<string> {
  if (config.chromium !== undefined) return config.chromium
  const found = await findBrowser()
  if (found !== undefined) return found
  const reason = await installWithApt(progress)
  const installed = await findBrowser()
  if (installed !== undefined) return installed
  throw new SluiceError(
    'provision_failed',
    `Chromium cannot be had. Tried:\n  - on PATH: ${names.join(', ')}\n  - apt-get install chromium: ${reason}\n` +
      'What to do: install Chromium or Chrome, or set SLUICE_CHROMIUM to the path of one.',
    { tool: 'chromium', attempts: [{ source: 'apt-get install chromium', reason }] },
  )
}

async function findBrowser(): Promise<string | undefined> {
  for (const name of names) {
    const path = await findOnPath(name)
    if (path !== undefined) return path
  }
  return bundles.find((path) => existsSync(path))
}

/** Gives the reason when it could not be installed. */
async function installWithApt(progress: Progress): Promise<string> {
  if (!existsSync('/etc/debian_version')) return 'this is not Debian or Ubuntu'
  if (process.getuid?.() !== 0) return 'only root may install packages'
  progress('Chromium: trying apt-get install chromium')
  const environment = { DEBIAN_FRONTEND: 'noninteractive' }
  const install = async (): Promise<void> => {
    await runCommand('apt-get', ['update', '-qq'], { timeoutMs: aptMs, environment })
    const options = ['install', '-y', '-qq', '--no-install-recommends', 'chromium']
    await runCommand('apt-get', options, { timeoutMs: aptMs, environment })
  }
  try {
    await withHeartbeat(progress, 'Chromium: still installing', install())
    return 'it installed nothing that is on PATH'
  } catch (error) {
    return reasonOf(error)
  }
}
