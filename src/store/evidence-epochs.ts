import type { ClientSession, Collection } from 'mongodb'
import type { ArmReport, EngineSeen, EvidenceKey, Verdict } from '../domain/evaluation'
import type { ProviderChange, ProviderPair, SuspectedChange } from '../domain/provider-change'
import type { Digest } from '../domain/version'
import type { Providers } from './providers'

/** How many provider changes candidate and incumbent had had when their results were read. */
export interface EvidenceEpochs {
  readonly candidate: number
  readonly incumbent?: number
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

  async epochsOf({ candidate, incumbent }: EvidenceKey, session?: ClientSession): Promise<EvidenceEpochs> {
    const composites = incumbent === undefined ? [candidate] : [candidate, incumbent]
    const found = await this.providers.epochs(composites, session)
    const own = { candidate: found.get(candidate) ?? 0 }
    return incumbent === undefined ? own : { ...own, incumbent: found.get(incumbent) ?? 0 }
  }

  async isCurrent(measured: EvidenceEpochs | undefined, key: EvidenceKey, session?: ClientSession): Promise<boolean> {
    const now = await this.epochsOf(key, session)
    return (measured?.candidate ?? 0) === now.candidate && (measured?.incumbent ?? 0) === (now.incumbent ?? 0)
  }

  /** A provider that changed while the suite ran, or since stored results were paid for, leaves nothing that passes. */
  async measured<T extends Pick<Verdict, 'evaluationId' | 'verdict' | 'reasons' | 'report'>>(
    draft: T,
    session: ClientSession,
  ): Promise<T> {
    const reason = `seen by the evaluation ${draft.evaluationId}`
    const changed: Digest[] = []
    for (const { composite, engines } of armsOf(draft.report)) {
      const of = { basis: 'evaluation', by: 'sluice', reason } as const
      if (await this.providers.measured(composite, engines.map(toldBy), of, session)) changed.push(composite)
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
    }
    return { providerChanges, suspectedChanges: await this.providers.suspected(composites) }
  }

  async isRenewed(composite: Digest): Promise<boolean> {
    const epoch = (await this.providers.epochs([composite])).get(composite) ?? 0
    if (epoch === 0) return true
    const renewal = { candidate: composite, 'epochs.candidate': epoch, verdict: 'pass' as const }
    return (await this.verdicts.findOne(renewal, { projection: { _id: 1 } })) !== null
  }
}

const armsOf = ({ candidate, incumbent }: Partial<Verdict['report']>): readonly ArmReport[] =>
  [candidate, incumbent].filter((arm) => arm !== undefined)

/** What a provider did not tell stands as `unknown` in a report. */
const toldBy = ({ model, fingerprint, candidate }: EngineSeen): ProviderPair => ({
  ...(model === 'unknown' ? {} : { model }),
  ...(fingerprint === 'unknown' ? {} : { fingerprint }),
  ...(candidate === undefined ? {} : { candidate }),
})
