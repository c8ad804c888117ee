import type { Digest } from '../src/domain/version'
import { runEvaluation } from '../src/store/evaluation-run'
import { openStore } from '../src/store/store'
import type { Evaluated, EvaluateOrder } from './evaluate-order'

const bytesPerMegabyte = 1024 * 1024

/** One evaluation in a process of its own, so that its peak memory is its own. */
async function main(): Promise<void> {
  const order = JSON.parse(process.argv[2] ?? '') as EvaluateOrder
  const store = await openStore(order.mongodbUri, order.database)
  const bareSeconds = await bareLoop(order)
  const endpoints = { fixed: { url: order.url, concurrency: order.concurrency } }
  const from = performance.now()
  const verdict = await runEvaluation(
    { ...store, endpoints },
    {
      evaluationId: order.evaluationId,
      by: 'bench',
      candidate: order.candidate as Digest,
      suite: order.suite as Digest,
      policy: order.policy as Digest,
    },
  )
  const found: Evaluated = {
    seconds: (performance.now() - from) / 1_000,
    bareSeconds,
    peakMegabytes: (process.resourceUsage().maxRSS * 1_024) / bytesPerMegabyte,
    calls: verdict.report.paid.calls,
    verdict: verdict.verdict,
  }
  process.send?.(found)
  await store.database.close()
  process.disconnect?.()
}

/** As many calls at a time, and nothing else: no store, no score. */
async function bareLoop({ url, concurrency, bareCalls, bodyBytes }: EvaluateOrder): Promise<number> {
  const body = 'x'.repeat(bodyBytes)
  let left = bareCalls
  const lane = async (): Promise<void> => {
    while (left-- > 0) await (await fetch(url, { method: 'POST', body })).json()
  }
  const from = performance.now()
  await Promise.all(Array.from({ length: concurrency }, lane))
  return (performance.now() - from) / 1_000
}

main().catch((error: unknown) => {
  process.stderr.write(`${(error as Error).stack ?? String(error)}\n`)
  process.exitCode = 1
})
