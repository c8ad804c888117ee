import { PauseCauses } from '../../../activities/pause-causes'
import { assess } from '../../../src/domain/analysis'
import type { ProbePolicy } from '../../../src/domain/policy'
import type { ProbeReading } from '../../../src/domain/probe'
import type { Judgement } from '../../../src/store/assessor'
import { inputOf, policyWith, stratum } from '../../support/assessment'

const probe = (change: Partial<ProbePolicy> = {}): ProbePolicy =>
  ({
    ...{ name: 'queue', provider: 'prometheus', endpoint: 'metrics', query: 'q', atMost: 20, role: 'pause' },
    ...{ noEvidence: 'extend', everyMs: 1_000, maxAgeMs: 60_000 },
    ...change,
  }) as ProbePolicy

const full = { silent: false, full: true }

function judged(reading: ProbeReading, change: Partial<ProbePolicy> = {}, reporting = { silent: false, full: false }) {
  const policy = policyWith({ probes: [probe(change)] })
  const row = stratum({ candidate: { units: 60 }, incumbent: { units: 60 } })
  const input = inputOf([row], { policy, readings: [reading], reporting })
  return { input, assessment: assess(input), lane: { baseSeq: 2 } } as unknown as Judgement
}

const open = (...told: readonly string[]) => PauseCauses.open({ pauseCauses: async () => new Set(told) }, 'release')
const well = { value: 5, ageMs: 0 }
const beyond = { value: 90, ageMs: 0 }

describe('what a release pauses for', () => {
  it('is a limit each time that it is broken, once each', async () => {
    const known = await open()
    const causes = known.of(judged(beyond))
    expect(causes).toEqual(['2 probe:queue:absolute_limit'])
    known.add(causes)
    known.see(judged(beyond))
    expect(known.areKnown(known.of(judged(beyond)))).toBe(true)
    known.see(judged(well))
    const again = known.of(judged(beyond))
    expect(again).toEqual(['2 probe:queue:absolute_limit #2'])
    expect(known.areKnown(again)).toBe(false)
    known.add(again)
    expect(known.areKnown(known.of(judged(beyond)))).toBe(true)
  })

  it.each(['output:label', 'max_harm', 'sample_ratio', 'error_rate', 'budget_per_release'])(
    'is %s once a step: it adds up, and a look at which it is not shown means nothing',
    async (name) => {
      const of = (verdicts: object[], asks: string[]) =>
        ({ lane: { baseSeq: 5 }, assessment: { verdicts, asks } }) as unknown as Judgement
      const known = await open()
      const fails = of([], [`${name}:differs`])
      known.add(known.of(fails))
      known.see(of([{ name, reason: 'within_limit' }], []))
      expect(known.areKnown(known.of(fails))).toBe(true)
    },
  )

  it('is known to the next attempt of the watch', async () => {
    const known = await open('2 probe:queue:absolute_limit', '2 probe:queue:absolute_limit #2')
    expect(known.areKnown(known.of(judged(beyond)))).toBe(true)
    known.see(judged(well))
    expect(known.of(judged(beyond))).toEqual(['2 probe:queue:absolute_limit #3'])
  })

  it('is a bounded number of excursions', async () => {
    const known = await open()
    for (let time = 0; time < 300; time++) {
      known.see(judged(well))
      known.add(known.of(judged(beyond)))
    }
    known.see(judged(well))
    expect(known.of(judged(beyond))).toEqual(['2 probe:queue:absolute_limit #100'])
  })

  it('is no fault of a probe that only notifies, nor of one whose policy waits', async () => {
    const known = await open()
    known.add(known.of(judged(well, {}, full)))
    const down = { fault: { reason: 'provider_down', text: 'oh' } } as const
    for (const change of [{ role: 'notify' }, { noEvidence: 'extend' }] as const) {
      const causes = known.of(judged(down, change, full))
      expect(causes).toEqual(['2 error_rate:set_full'])
      expect(known.areKnown(causes)).toBe(true)
    }
    expect(known.of(judged(down, { noEvidence: 'pause' }, full))).toContain('2 probe:queue:provider_down')
  })
})
