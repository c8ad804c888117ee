import type { Cli } from '../../../src/cli/cli'
import { printRelease } from '../../../src/cli/release-show'
import type { ReleaseSight } from '../../../src/cli/release-sight'
import { assess } from '../../../src/domain/analysis'
import type { SourceShare } from '../../../src/domain/live-evidence'
import { inputOf, policyWith, stratum } from '../../support/assessment'

/** What is printed of a release with this assessment, as one text. */
function shown(assessment: ReleaseSight['assessment']): string {
  const lines: string[] = []
  const print = {
    line: (text = '') => void lines.push(text),
    table: (head: readonly string[], rows: readonly (readonly string[])[]) =>
      void lines.push(...[head, ...rows].map((row) => row.join(' | '))),
  }
  const request = { task: 'csat', change: {}, why: 'for a test' }
  const record = { id: 'R1', task: 'csat', phase: 'running', stage: 'rollout', author: 'ann', createdAt: 0, request }
  const sight = { record, decisions: [], assessment } as unknown as ReleaseSight
  printRelease({ print } as unknown as Cli, sight)
  return lines.join('\n')
}

/** One key tells of all harm, two of none. */
function source(name: string, errors: number): SourceShare {
  const lost = (arm: 'candidate' | 'incumbent', events: number) => {
    return { environment: 'production', seq: 2, slice: 0, arm, totals: { units: 40, event_error: events } }
  }
  return { kind: 'key', name, lost: [lost('candidate', errors), lost('incumbent', 0)], windows: [] }
}

describe('release show', () => {
  it('names the key without which nobody would have been harmed', () => {
    const row = stratum({ candidate: { units: 120, events: { error: 40 } }, incumbent: { units: 120 } })
    const sources = [source('app-1', 0), source('app-2', 0), source('forger', 40)]
    const assessment = assess(inputOf([row], { policy: policyWith(), sources }))
    expect(assessment.action).toBe('pause')
    expect(shown(assessment)).toMatch(/^fail \| error_rate \| .*not so without key forger$/m)
  })

  it('tells what a provider of metrics has not said', () => {
    const probe = { name: 'queue', provider: 'prometheus', endpoint: 'metrics', query: 'x', atMost: 1 } as const
    const rest = { role: 'pause', noEvidence: 'pause', everyMs: 1_000, maxAgeMs: 1_000 } as const
    const policy = policyWith({ probes: [{ ...probe, ...rest }] })
    const readings = [{ fault: { reason: 'provider_down', text: 'it did not answer in time' } as const }]
    const row = stratum({ candidate: { units: 60 }, incumbent: { units: 60 } })
    expect(shown(assess(inputOf([row], { policy, readings })))).toContain(
      'no evidence | probe:queue | prometheus at metrics: it did not answer in time',
    )
  })
})
