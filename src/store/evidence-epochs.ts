import type { ClientSession, Collection } from 'mongodb'
import type { ArmReport, EngineSeen, EvidenceKey, Verdict } from '../domain/evaluation'
import type { ProviderChange, ProviderPair, SuspectedChange } from '../domain/provider-change'
import type { Digest } from '../domain/version'
import type { Providers } from './providers'

/** How many provider changes candidate, incumbent and judges had had when their results were read. */
export interface EvidenceEpochs {
  readonly candidate: number
  readonly incumbent?: number
  /** By the digest of a judge's engine version; absent where no judge took part. */
  readonly judges?: Readonly<Record<Digest, number>>
}

/** What providers changed under some composites. */
export interface ProviderStanding {
  /** The newest of each composite whose evidence is void since, and was not renewed. */
  readonly providerChanges: readonly ProviderChange[]
  readonly suspectedChanges: readonly SuspectedChange[]
}

interface Judged {
  readonly candidate: Digest
  readonly verdict: Verdict['verdict']
  readonly epochs?: EvidenceEpochs
}

/** The part of evidence that a provider can make void: it counts at the epoch that it was measured at, and no later. */
export class EvidenceLife {
  private readonly providers: Providers
  private readonly verdicts: Collection<Judged & { _id: string }>

  constructor(providers: Providers, verdicts: Collection<Judged & { _id: string }>) {
    this.providers = providers
    this.verdicts = verdicts
  }

  async epochsOf(
    { candidate, incumbent }: EvidenceKey,
    judges: readonly Digest[],
    session?: ClientSession,
  ): Promise<EvidenceEpochs> {
    const composites = incumbent === undefined ? [candidate] : [candidate, incumbent]
    const found = await this.providers.epochs([...composites, ...judges], session)
    const epochOf = (one: Digest): number => found.get(one) ?? 0
    return {
      candidate: epochOf(candidate),
      ...(incumbent === undefined ? {} : { incumbent: epochOf(incumbent) }),
      ...(judges.length === 0 ? {} : { judges: Object.fromEntries(judges.map((one) => [one, epochOf(one)])) }),
    }
  }

  async isCurrent(measured: EvidenceEpochs | undefined, key: EvidenceKey, session?: ClientSession): Promise<boolean> {
    const judges = judgesIn(measured)
    const now = await this.epochsOf(key, judges, session)
    return (
      (measured?.candidate ?? 0) === now.candidate &&
      (measured?.incumbent ?? 0) === (now.incumbent ?? 0) &&
      judges.every((one) => measured?.judges?.[one] === now.judges?.[one])
    )
  }

  /** A provider that changed while the suite ran, or since stored results were paid for, leaves nothing that passes. */
  async measured<T extends Pick<Verdict, 'evaluationId' | 'verdict' | 'reasons' | 'report'>>(
    draft: T,
    session: ClientSession,
  ): Promise<T> {
    const reason = `seen by the evaluation ${draft.evaluationId}`
    const changed: string[] = []
    for (const { composite, engines } of armsOf(draft.report)) {
      const of = { basis: 'evaluation', by: 'sluice', reason } as const
      if (await this.providers.measured(composite, engines.map(toldBy), of, session)) changed.push(composite)
    }
    for (const { engine, engines } of draft.report.judges ?? []) {
      const of = { basis: 'evaluation', by: 'sluice', reason, judge: true } as const
      if (await this.providers.measured(engine, engines.map(toldBy), of, session)) changed.push(`the judge ${engine}`)
    }
    if (changed.length === 0 || draft.verdict === 'fail') return draft
    const text = `The provider of ${changed.join(', ')} changed while it was measured: run the suite again.`
    return { ...draft, verdict: 'no_evidence', reasons: [text, ...draft.reasons] }
  }

  async standing(composites: readonly Digest[]): Promise<ProviderStanding> {
    const providerChanges: ProviderChange[] = []
    for (const composite of new Set(composites)) {
      const [newest] = await this.providers.changes({ composites: [composite] })
      if (newest !== undefined && !(await this.isRenewed(composite))) providerChanges.push(newest)
      providerChanges.push(...(await this.judgeChanges(composite)))
    }
    return { providerChanges, suspectedChanges: await this.providers.suspected(composites) }
  }

  /** The newest change of each judge since the composite's newest verdict that judges took part in. */
  private async judgeChanges(composite: Digest): Promise<readonly ProviderChange[]> {
    const judged = { candidate: composite, 'epochs.judges': { $exists: true } } as object
    const newest = await this.verdicts.findOne(judged, { sort: { _id: -1 }, projection: { epochs: 1 } })
    const changes: ProviderChange[] = []
    for (const judge of judgesIn(newest?.epochs)) {
      const [change] = await this.providers.changes({ composites: [judge] })
      if (change !== undefined && change.epoch > (newest?.epochs?.judges?.[judge] ?? 0)) changes.push(change)
    }
    return changes
  }

  async isRenewed(composite: Digest): Promise<boolean> {
    const epoch = (await this.providers.epochs([composite])).get(composite) ?? 0
    if (epoch === 0) return true
    const measured = [{ candidate: composite, 'epochs.candidate': epoch }, { [`epochs.judges.${composite}`]: epoch }]
    const renewal = { $or: measured, verdict: 'pass' as const } as object
    return (await this.verdicts.findOne(renewal, { projection: { _id: 1 } })) !== null
  }
}

/** The digests of the judges' engines that some evidence rests on. */
export const judgesIn = (epochs: EvidenceEpochs | undefined): readonly Digest[] =>
  Object.keys(epochs?.judges ?? {}) as Digest[]

const armsOf = ({ candidate, incumbent }: Partial<Verdict['report']>): readonly ArmReport[] =>
  [candidate, incumbent].filter((arm) => arm !== undefined)

/** What a provider did not tell stands as `unknown` in a report. */
const toldBy = ({ model, fingerprint, candidate }: EngineSeen): ProviderPair => ({
  ...(model === 'unknown' ? {} : { model }),
  ...(fingerprint === 'unknown' ? {} : { fingerprint }),
  ...(candidate === undefined ? {} : { candidate }),
})
