import type { EngineContent } from '../../../src/domain/contents'
import { costOf } from '../../../src/domain/pricing'
import type { Facts } from '../facts'
import { engineKeys } from '../ground'
import type { ServedRow } from '../messages'
import { production, task } from '../scenes'
import type { Claim } from './claim'

/** Answered requests, tokens and money, as one party has them. */
interface Books {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly costUsd: number
}

/** Telemetry keeps money in whole nano-dollars a conversation and report. */
const nanoUsd = 1e-9

export const moneyAddsUp: Claim = {
  text: "The engine's bill, the applications' reports and the telemetry totals are the same money",
  async check(facts) {
    const { rows } = facts
    const answered = rows.filter(({ outcome }) => outcome !== 'error')
    const bill = await billed(facts)
    const reported = sumOf(rows)
    const logged = await requestLog(facts)
    const totals = await telemetryTotals(facts)
    const rounding = nanoUsd * rows.length
    const faults = [
      ...(bill.answers === answered.length
        ? []
        : [`the engine billed ${bill.answers} answers, ${answered.length} were reported`]),
      ...differences('the bill', bill, reported, rounding),
      ...differences('the request log', logged, reported, rounding),
      ...differences('the telemetry totals', totals, reported, rounding),
    ]
    const usd = (amount: number): string => `$${amount.toFixed(6)}`
    const figures = `bill ${usd(bill.costUsd)}, reports ${usd(reported.costUsd)}, request log ${usd(logged.costUsd)}, totals ${usd(totals.costUsd)}, ${reported.inputTokens + reported.outputTokens} tokens`
    return { figures, faults }
  },
}

function differences(name: string, books: Books, reported: Books, rounding: number): string[] {
  const same =
    books.inputTokens === reported.inputTokens &&
    books.outputTokens === reported.outputTokens &&
    Math.abs(books.costUsd - reported.costUsd) <= rounding
  return same ? [] : [`${name}: ${JSON.stringify(books)}, the applications: ${JSON.stringify(reported)}`]
}

const sumOf = (rows: readonly Pick<ServedRow, 'inputTokens' | 'outputTokens' | 'costUsd'>[]): Books => ({
  inputTokens: rows.reduce((sum, row) => sum + row.inputTokens, 0),
  outputTokens: rows.reduce((sum, row) => sum + row.outputTokens, 0),
  costUsd: rows.reduce((sum, row) => sum + row.costUsd, 0),
})

/** The engine counted tokens of each key by itself; the price list is the pinned engine's. */
async function billed({ ground, snapshot }: Facts): Promise<Books & { readonly answers: number }> {
  const lines = (await ground.bill()).filter(({ key }) => key === engineKeys.applications)
  const engines = Object.values(snapshot.composites).map(({ contents }) => contents.engine as EngineContent)
  const costUsd = lines.reduce((sum, { model, promptTokens, cachedTokens, completionTokens }) => {
    const engine = engines.find((one) => one.model === model)
    const usage = { inputTokens: promptTokens, cachedTokens, outputTokens: completionTokens }
    return sum + (engine === undefined ? Number.NaN : costOf(engine.pricePerMillion, usage).costUsd)
  }, 0)
  return {
    answers: lines.reduce((sum, { answers }) => sum + answers, 0),
    inputTokens: lines.reduce((sum, { promptTokens }) => sum + promptTokens, 0),
    outputTokens: lines.reduce((sum, { completionTokens }) => sum + completionTokens, 0),
    costUsd,
  }
}

async function requestLog({ ground }: Facts): Promise<Books> {
  let sum = sumOf([])
  for await (const request of ground.store.telemetry.requests.all()) sum = sumOf([sum, request])
  return sum
}

async function telemetryTotals({ ground, snapshot }: Facts): Promise<Books> {
  const { read } = ground.store.telemetry
  const place = { environment: production, task }
  const each = await Promise.all(
    Object.values(snapshot.composites).map(({ id }) => read.compositeTotals({ ...place, composite: id })),
  )
  return sumOf(each)
}

export const requestsAddUp: Claim = {
  text: 'The request log holds every served request once, and no record was dropped or refused',
  async check({ ground, rows, ends }) {
    const logged = new Map<string, string>()
    let doubled = 0
    for await (const { requestId, composite } of ground.store.telemetry.requests.all()) {
      if (logged.has(requestId)) doubled += 1
      logged.set(requestId, composite)
    }
    const missing = rows.filter(({ requestId, composite }) => logged.get(requestId) !== composite)
    const reporters = await ground.store.telemetry.reporters.list(production)
    const lost = ends.reduce((sum, { dropped }) => sum + dropped, 0)
    const refused = reporters.reduce((sum, reporter) => sum + reporter.refused + reporter.dropped, 0)
    const late = reporters.reduce((sum, reporter) => sum + reporter.late.length, 0)
    const faults = [
      ...missing.map(({ requestId }) => `${requestId} is not in the request log as it was served`),
      ...(logged.size === rows.length ? [] : [`the log has ${logged.size} requests, ${rows.length} were served`]),
      ...(doubled === 0 ? [] : [`${doubled} requests are in the log twice`]),
      ...(lost + refused === 0 ? [] : [`${lost} records were dropped, ${refused} refused`]),
      ...ends.flatMap((end) => end.faults),
    ]
    return {
      figures: `${logged.size} logged, ${rows.length} served, ${lost} dropped, ${late} entries heard of late`,
      faults,
    }
  },
}
