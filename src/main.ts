import { join } from 'node:path'
import type { Config } from './config'

/** Runs a composition root when its file is the program; importing it runs nothing. */
export function runMain(module: NodeJS.Module, main: () => Promise<void>): void {
  if (require.main !== module) return
  main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    process.exitCode = 1
    // Native handles of a half-started worker would keep the process alive.
    process.exit()
  })
}

/** Where channels of the type `file` write. */
export const notesFolderOf = (config: Pick<Config, 'folder'>): string => join(config.folder, 'notes')
