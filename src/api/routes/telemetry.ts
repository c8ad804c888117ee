import type { z } from 'zod'
import type { TelemetryAnswer, TelemetryBatch, TelemetryRefusal } from '../../domain/telemetry'
import { cutText } from '../../domain/text'
import type { ApiDeps, App } from '../app'
import { liveOf } from '../live'
import { answerSchema, batchSchema, lateOutcomeSchema, requestSchema, unitSchema } from '../telemetry-schemas'
import { stampTime } from './snapshot'

const maxNamedRefusals = 100
const maxMessageLength = 500

/** Takes what applications report. Idempotent: a batch may be sent again, late and in any order. */
export function telemetryRoutes(app: App, deps: ApiDeps): void {
  const live = liveOf(app, deps)
  app.post(
    '/v1/telemetry',
    { config: { access: 'app', neverKept: true }, schema: { body: batchSchema, response: { 200: answerSchema } } },
    async (request, reply): Promise<TelemetryAnswer> => {
      await live.assertEnvironment(request.body.environment)
      const { batch, refused, places } = sift(request.body)
      const taken = await live.telemetry.ingest(batch, request.principal.name, refused.length)
      const all = [...refused, ...taken.refused.map((refusal) => inPlace(refusal, places))]
      await stampTime(live, reply)
      return {
        accepted: { units: taken.units, requests: taken.requests, lateOutcomes: batch.lateOutcomes.length },
        refused: all.slice(0, maxNamedRefusals),
        refusedCount: refused.length + taken.refusedCount,
      }
    },
  )
}

type Envelope = z.infer<typeof batchSchema>

interface Sifted {
  readonly batch: TelemetryBatch
  readonly refused: readonly TelemetryRefusal[]
  /** Where the taken requests stood in the batch as it was sent. */
  readonly places: readonly number[]
}

/** Parts the records that can be true from those that cannot. */
function sift(envelope: Envelope): Sifted {
  const refused: TelemetryRefusal[] = []
  const places: number[] = []
  const keep = <T extends z.ZodType>(schema: T, rows: readonly unknown[], path: string, kept?: number[]) =>
    rows.flatMap((row, index): z.output<T>[] => {
      const parsed = schema.safeParse(row)
      if (parsed.success) {
        kept?.push(index)
        return [parsed.data]
      }
      const text = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
      refused.push({ path: `${path}/${index}`, code: 'invalid_telemetry', message: cutText(text, maxMessageLength) })
      return []
    })
  const strata = envelope.strata.map((stratum, index) => ({
    ...stratum,
    units: keep(unitSchema, stratum.units, `/strata/${index}/units`),
  }))
  const requests = keep(requestSchema, envelope.requests, '/requests', places)
  const lateOutcomes = keep(lateOutcomeSchema, envelope.lateOutcomes, '/lateOutcomes')
  const batch = { ...envelope, strata, requests, lateOutcomes } as TelemetryBatch
  return { batch, refused, places }
}

function inPlace(refusal: TelemetryRefusal, places: readonly number[]): TelemetryRefusal {
  const index = /^\/requests\/(\d+)$/.exec(refusal.path)?.[1]
  return index === undefined ? refusal : { ...refusal, path: `/requests/${places[Number(index)] ?? index}` }
}
