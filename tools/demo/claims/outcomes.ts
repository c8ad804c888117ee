import type { ReleaseFacts } from '../facts'
import type { Claim } from './claim'

/** `by`: who took it back; absent: nobody, it went through. */
interface Expected {
  readonly name: string
  readonly by?: string
  /** Guardrails of which one at least must have failed. */
  readonly failing?: readonly string[]
}

interface Judged {
  readonly judged?: { readonly assessment?: { readonly verdicts: readonly { name: string; verdict: string }[] } }
}

export const outcomes: Claim = {
  text: 'Every release passed its tests and ended as it should',
  check({ story }) {
    const costGuards = ['cost_exceedance', 'uncached_cost_per_conversation']
    const errorGuards = ['error_rate', 'schema_failure_rate', 'error_breaker']
    const faults = [
      ...check(story.first, { name: 'first' }),
      ...check(story.good, { name: 'the good one' }),
      ...check(story.cost, { name: 'the cost spike', by: 'guardrail', failing: costGuards }),
      ...check(story.error, { name: 'the error spike', by: 'guardrail', failing: errorGuards }),
      ...check(story.signalled, { name: 'the one by signals', by: 'ann' }),
    ]
    return { figures: '2 done, 2 rolled back by their guardrails, 1 by a signal', faults }
  },
}

function check({ record, decisions }: ReleaseFacts, { name, by, failing }: Expected): string[] {
  const faults: string[] = []
  const wanted = by === undefined ? 'done' : 'rolled_back'
  if (record.phase !== wanted) faults.push(`${name} is ${record.phase} (${record.reason}) instead of ${wanted}`)
  const test = decisions.find(({ kind }) => kind === 'test')?.evidence as { verdict?: string } | undefined
  if (test?.verdict !== 'pass') faults.push(`${name} has the test verdict ${test?.verdict}`)
  const rollback = decisions.find(({ kind }) => kind === 'rollback')
  if (rollback?.by !== by) faults.push(`${name} was taken back by ${rollback?.by} instead of ${by}`)
  if (failing !== undefined && rollback !== undefined) {
    const verdicts = (rollback.evidence as Judged).judged?.assessment?.verdicts ?? []
    const failed = verdicts.filter(({ verdict }) => verdict === 'fail').map((verdict) => verdict.name)
    if (!failed.some((guard) => failing.includes(guard)))
      faults.push(`${name} failed by ${failed.join(', ') || 'nothing'}`)
  }
  return faults
}
