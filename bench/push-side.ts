import { buildServer } from '../src/api/server'
import { runCli } from '../src/cli/main'
import { openStore } from '../src/store/store'

/** One side of a push in a process of its own, so that its peak of memory is its own. */
export type SideTask =
  | { readonly side: 'server'; readonly mongodbUri: string; readonly database: string }
  | { readonly side: 'cli'; readonly url: string; readonly apiKey: string; readonly args: readonly string[] }

export interface SideReport {
  /** Of a server, when it listens. */
  readonly url?: string
  readonly apiKey?: string
  /** When it ends: the most memory that the process ever had, and how long its work took. */
  readonly peakMb?: number
  readonly ms?: number
}

const tell = (report: SideReport): void => void process.send?.(report)
const peakMb = (): number => Math.round(process.resourceUsage().maxRSS / 1024)

async function serve({ mongodbUri, database }: Extract<SideTask, { side: 'server' }>): Promise<void> {
  const store = await openStore(mongodbUri, database)
  const app = buildServer({ store } as Parameters<typeof buildServer>[0])
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  tell({ url, apiKey: await store.keys.create('bench', 'admin') })
  await new Promise((resolve) => process.once('message', resolve))
  await app.close()
  await store.database.close()
  tell({ peakMb: peakMb() })
}

async function command({ url, apiKey, args }: Extract<SideTask, { side: 'cli' }>): Promise<void> {
  const from = performance.now()
  const said: string[] = []
  const code = await runCli(args, {
    environment: { SLUICE_URL: url, SLUICE_API_KEY: apiKey },
    directory: process.cwd(),
    output: { out: () => undefined, err: (text) => said.push(text) },
  })
  if (code !== 0) throw new Error(said.join(''))
  tell({ ms: performance.now() - from, peakMb: peakMb() })
}

async function begin(task: SideTask): Promise<void> {
  await (task.side === 'server' ? serve(task) : command(task))
  process.disconnect()
}

process.once('message', (task: SideTask) => {
  begin(task).catch((error: unknown) => {
    process.stderr.write(`${(error as Error).stack ?? String(error)}\n`)
    process.exit(1)
  })
})
