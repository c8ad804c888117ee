import { arch, cpus, platform } from 'node:os'
import { DefaultLogger, Runtime } from '@temporalio/worker'
import { readConfig } from '../src/config'
import { type Ground, startEmbedded } from '../src/embedded/embedded'
import { onTerminal } from '../src/embedded/progress'
import { benchEvaluate } from './evaluate'
import { benchGc } from './gc'
import { benchLeakage } from './leakage'
import type { Finding, Row } from './measure'
import { benchConnections, benchPropagation } from './propagation'
import { benchPush } from './push'
import { benchReleases } from './releases'
import { benchReport } from './report'
import { benchResolve } from './resolve'
import { benchPeers } from './resolve-peers'
import { benchSnapshot } from './snapshot'
import { benchIngest } from './telemetry'
import { benchWatch } from './watch'
import { benchWatchMany } from './watch-many'

/** `resolve` comes first, into a heap that nothing else has filled. */
const local = {
  resolve: benchResolve,
  peers: benchPeers,
  snapshot: benchSnapshot,
  report: benchReport,
  leakage: benchLeakage,
} as const
const onServers = {
  releases: ({ temporalAddress, namespace }: Ground) => benchReleases(temporalAddress, namespace),
  ingest: ({ mongodbUri }: Ground) => benchIngest(mongodbUri),
  watch: ({ mongodbUri }: Ground) => benchWatch(mongodbUri),
  watches: benchWatchMany,
  propagation: ({ mongodbUri }: Ground) => benchPropagation(mongodbUri),
  connections: ({ mongodbUri }: Ground) => benchConnections(mongodbUri),
  evaluate: ({ mongodbUri }: Ground) => benchEvaluate(mongodbUri),
  push: ({ mongodbUri }: Ground) => benchPush(mongodbUri),
  gc: ({ mongodbUri }: Ground) => benchGc(mongodbUri),
} as const
const names = [...Object.keys(local), ...Object.keys(onServers)]

const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** Usage: main [name]…, each a benchmark above; without names all of them. Tables, then the same as JSON. */
async function main(): Promise<void> {
  const asked = process.argv.slice(2)
  const unknown = asked.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new Error(`There is no benchmark ${unknown}. There are ${names.join(', ')}.`)
  const isAsked = ([name]: [string, unknown]): boolean => asked.length === 0 || asked.includes(name)
  const machine = { cpus: cpus().length, arch: arch(), platform: platform(), node: process.version }
  say(`${machine.cpus} CPUs, ${machine.arch}, ${machine.platform}, Node ${machine.node}`)
  const findings: Finding[] = []
  for (const [, bench] of Object.entries(local).filter(isAsked)) findings.push(...told(await bench()))
  const remote = Object.entries(onServers).filter(isAsked)
  if (remote.length > 0) {
    Runtime.install({ logger: new DefaultLogger('ERROR') })
    const ground = await startEmbedded({ name: 'bench', config: readConfig(), fresh: true, progress: onTerminal })
    try {
      for (const [, bench] of remote) findings.push(...told(await bench(ground)))
    } finally {
      await ground.stop()
    }
  }
  say(`\n${JSON.stringify({ machine, findings })}`)
}

function told(findings: readonly Finding[]): readonly Finding[] {
  for (const { benchmark, about, rows } of findings) say(`\n## ${benchmark}: ${about}\n\n${tableOf(rows)}`)
  return findings
}

/** Markdown, so that docs/performance.md can take it as it is. */
function tableOf(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {})
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`
  const rule = columns.map((column) => (typeof rows[0]?.[column] === 'number' ? '---:' : '---'))
  return [columns, rule, ...rows.map((row) => columns.map((column) => row[column] ?? ''))].map(line).join('\n')
}

main().catch((error: unknown) => {
  process.stderr.write(`${(error as Error).stack ?? String(error)}\n`)
  process.exitCode = 1
})
