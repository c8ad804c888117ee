import type { GuardrailVerdict } from '../src/domain/guardrail'
import type { Judgement } from '../src/store/assessor'
import type { Releases } from '../src/store/releases'

/** Excursions of one limit within a step that each pause anew; a value that swings for ever asks no more. */
const maxEpisodes = 100

/**
 * What a release was paused for. Evidence of a comparison is cumulative, so a cause counts once a step: a person who went on
 * in spite of it is not asked again. A limit on a number of the moment is another matter: within it in between, it is broken
 * anew, and that is an episode of its own.
 */
export class PauseCauses {
  private readonly told: Set<string>
  /** By cause, the last episode that was told before the limit held again. */
  private readonly over = new Map<string, number>()

  private constructor(told: ReadonlySet<string>) {
    this.told = new Set(told)
  }

  static async open(releases: Pick<Releases, 'pauseCauses'>, releaseId: string): Promise<PauseCauses> {
    return new PauseCauses(await releases.pauseCauses(releaseId))
  }

  /** Takes note of limits that hold again. */
  see({ lane, assessment }: Judgement): void {
    for (const { name } of assessment.verdicts.filter(isWithinLimit)) {
      const start = `${lane.baseSeq} ${name}:`
      for (const cause of this.told) {
        if (cause.startsWith(start)) this.over.set(bare(cause), this.last(bare(cause)))
      }
    }
  }

  /** Of a look that asks for a pause: what asks, by the entry in force. What only waits or notifies is no cause. */
  of({ lane, assessment }: Judgement): readonly string[] {
    return assessment.asks.map((asking) => {
      const cause = `${lane.baseSeq} ${asking}`
      const before = this.over.get(cause)
      return numbered(cause, before === undefined ? Math.max(1, this.last(cause)) : Math.min(before + 1, maxEpisodes))
    })
  }

  areKnown(causes: readonly string[]): boolean {
    return causes.every((cause) => this.told.has(cause))
  }

  add(causes: Iterable<string>): void {
    for (const cause of causes) this.told.add(cause)
  }

  private last(cause: string): number {
    let episode = 0
    while (episode < maxEpisodes && this.told.has(numbered(cause, episode + 1))) episode += 1
    return episode
  }
}

/**
 * The output whose difference a cause of the entry in force tells of. No count says whether different is worse, and it adds up: only a
 * person can let it go. Whatever else pauses has to be mended.
 */
export function differenceOf(cause: string, baseSeq: number): string | undefined {
  const [start, end] = [`${baseSeq} `, ':output_differs']
  const name = cause.slice(start.length, -end.length)
  return cause === `${start}${name}${end}` && name.startsWith('output:') ? name : undefined
}

const numbered = (cause: string, episode: number): string => (episode === 1 ? cause : `${cause} #${episode}`)
const bare = (cause: string): string => cause.replace(/ #\d+$/, '')

/** By the beginnings of their names. */
const momentary = ['probe:', 'error_breaker', 'budget_per_hour'] as const

/** Of a number of the moment. The ratio of the sample, differences of outputs and harm to a tenant add up as comparisons do. */
const isWithinLimit = ({ name, reason }: GuardrailVerdict): boolean =>
  reason === 'within_limit' && momentary.some((start) => name.startsWith(start))
