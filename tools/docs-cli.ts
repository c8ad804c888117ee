import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { buildProgram } from '../src/cli/main'

const page = 'docs/cli.md'

const head = `# CLI

\`npx sluice <command>\` talks to the API at \`SLUICE_URL\` with \`SLUICE_API_KEY\`, else to the instance that
\`.sluice/run.json\` names. Only \`up\`, \`doctor\` and \`reconcile\` open MongoDB and Temporal themselves; the last two
work while no server runs.

Every command takes \`--json\` (one JSON document; \`release watch\` prints one a line) and \`--help\`. Tables show the first
twelve hex digits of a digest, JSON the whole. What is given as \`--reason\` is kept for ever.

| exit code | means |
| --- | --- |
| 0 | done |
| 1 | failed, or something is wrong; the message says what to do |
| 2 | the command line itself is wrong |
| 3 | refused by a gate, or (\`release watch\`) the release ended otherwise than done |

Errors are printed with their code, which is listed in [errors.md](errors.md). This page is written from the command tree
by \`tools/docs-cli.ts\`.
`

interface Leaf {
  readonly path: string
  readonly command: Command
}

/** Every command that does something, with the words that lead to it. */
export function leavesOf(program: Command): readonly Leaf[] {
  const below = (command: Command, path: string): readonly Leaf[] =>
    command.commands.length === 0
      ? [{ path, command }]
      : command.commands.flatMap((child) => below(child, `${path} ${child.name()}`))
  return program.commands.flatMap((command) => below(command, command.name()))
}

const quiet = { out: () => undefined, err: () => undefined }

/** The tree as it stands, without a server behind it. */
export const commandTree = (): Command => buildProgram({ environment: {}, directory: '.', output: quiet })

/** The example lines that `--help` of a command shows, without the prompt. */
export function examplesOf(command: Command): readonly string[] {
  let help = ''
  command.configureOutput({ writeOut: (text) => (help += text) })
  command.outputHelp()
  return [...help.matchAll(/^ {2}\$ sluice (.*)$/gm)].map(([, line]) => line ?? '')
}

/** The page of all commands, in the order of the tree. */
export function cliPage(): string {
  return `${head}${leavesOf(commandTree()).map(section).join('')}`
}

/** A bar ends a cell, in code too. */
const asCell = (text: string): string => text.replaceAll('|', '\\|')

function section({ path, command }: Leaf): string {
  const places = command.registeredArguments.map((one) => (one.required ? `<${one.name()}>` : `[${one.name()}]`))
  const rows = [
    ...command.registeredArguments.map((one) => [`\`${one.name()}\``, one.description] as const),
    ...command.options
      .filter(({ long }) => long !== '--json')
      .map((one) => [`\`${one.flags}\``, `${one.description}${one.mandatory ? ' (required)' : ''}`] as const),
  ]
  const table = rows.map((cells) => `| ${cells.map(asCell).join(' | ')} |\n`).join('')
  return [
    `\n## ${path}\n\n`,
    `\`sluice ${[path, ...places].join(' ')}\`: ${command.description()}.\n`,
    table === '' ? '' : `\n| takes | |\n| --- | --- |\n${table}`,
    `\n\`\`\`sh\n${examplesOf(command)
      .map((line) => `sluice ${line}\n`)
      .join('')}\`\`\`\n`,
  ].join('')
}

if (require.main === module) writeFileSync(join(process.cwd(), page), cliPage())
