import type { Happening } from '../../src/cli/release-timeline'
import type { Say } from './say'

const armsEveryMs = 4_000
/** How decisions name a step: `rollout-1 in production: …`. */
const isStep = /^\S+ in \S+: /

/** Tells one release as `sluice release watch` does, but only what a reader of several releases can follow. */
export class Teller {
  private readonly say: Say
  private armsAt = 0
  private readonly reasons: string[] = []
  /** Of the step that is exposed; a release that waits for its evidence calls itself by the next one. */
  private exposed = ''

  constructor(say: Say) {
    this.say = say
  }

  tell(happening: Happening): void {
    const { kind, at, stage, text } = happening
    if (!this.isNews(happening)) return
    if (kind === 'arms') this.armsAt = at
    if (kind === 'decision') this.reasons.push(text)
    if (kind === 'decision' && isStep.test(text)) this.exposed = stage
    const isOfStep = kind === 'arms' || kind === 'verdict' || text.startsWith('withdrawn by ')
    this.say.event((isOfStep && this.exposed) || stage, this.withoutRepetition(text), at)
  }

  /** That a verdict passes so far is no news, nor what is waited for while it comes by itself. */
  private isNews({ kind, at, text }: Happening): boolean {
    if (kind === 'waiting' || kind === 'approval') return false
    if (kind === 'verdict') return text.startsWith('fail')
    return kind !== 'arms' || at - this.armsAt >= armsEveryMs
  }

  /** The last decision repeats the reason of the rollback before it. */
  private withoutRepetition(text: string): string {
    const [head, ...rest] = text.split(': ')
    const reason = rest.join(': ')
    const known = reason !== '' && this.reasons.slice(0, -1).some((told) => told.endsWith(reason))
    return known ? (head ?? text) : text
  }
}
