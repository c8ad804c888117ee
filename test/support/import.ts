import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runCli } from '../../src/cli/main'
import { readWorkspace, type Workspace } from '../../src/cli/workspace'
import { filesIn, withFolder } from './folder'

export interface ImportRun {
  readonly code: number
  readonly err: string
  /** The answer of `--json`; `{}` where there was none. */
  readonly answer: {
    readonly made?: readonly string[]
    readonly lost?: readonly Left[]
    readonly noted?: readonly Left[]
  }
  readonly error: {
    readonly code?: string
    readonly message?: string
    readonly details?: { readonly lost?: readonly Left[] }
  }
  /** Every file that was written. */
  readonly files: Readonly<Record<string, string>>
  /** The folder as a push would read it; absent where nothing was written. */
  readonly workspace?: Workspace
}

interface Left {
  readonly at: string
  readonly what: string
  readonly why: string
}

/** Runs `sluice import <format>` on these files; `path` is the one that is imported, or the folder of all. */
export function importFiles(
  format: string,
  files: Readonly<Record<string, string | Buffer>>,
  { path = '.', args = [] }: { readonly path?: string; readonly args?: readonly string[] } = {},
): Promise<ImportRun> {
  return withFolder(async (folder) => {
    const from = join(folder, 'from')
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(from, file)), { recursive: true })
      writeFileSync(join(from, file), text)
    }
    const out: string[] = []
    const err: string[] = []
    const code = await runCli(['import', format, join(from, path), '--out', 'to', '--json', ...args], {
      environment: {},
      directory: folder,
      output: { out: (text) => out.push(text), err: (text) => err.push(text) },
    })
    const to = join(folder, 'to')
    const isMade = code === 0
    return {
      code,
      err: err.join(''),
      answer: out.length === 0 ? {} : JSON.parse(out.join('')),
      error: code === 0 || !err.join('').startsWith('{') ? {} : JSON.parse(err.join('')),
      files: isMade ? filesIn(to) : {},
      ...(isMade ? { workspace: await readWorkspace(to) } : {}),
    }
  })
}

/** Content by `kind/name@semver`. */
export const contentsOf = (run: ImportRun): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    (run.workspace?.artifacts ?? []).map(({ kind, name, semver, content }) => [`${kind}/${name}@${semver}`, content]),
  )

/** The rows of the only dataset. */
export function rowsOf(run: ImportRun): readonly Record<string, unknown>[] {
  const [text = ''] = Object.entries(run.files).flatMap(([file, held]) => (file.endsWith('.jsonl') ? [held] : []))
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

export const price = ['--price', '2.5/1.25/10']
