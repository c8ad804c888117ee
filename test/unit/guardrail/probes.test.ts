import { assess } from '../../../src/domain/analysis'
import type { ProbePolicy } from '../../../src/domain/policy'
import { type ProbeReading, renderProbe } from '../../../src/domain/probe'
import { policyKind } from '../../../src/kinds/policy'
import { inputOf, policyWith, stratum } from '../../support/assessment'

const probe: ProbePolicy = {
  name: 'queue-seconds',
  provider: 'prometheus',
  endpoint: 'metrics',
  query: 'max(queue_seconds{task="{{task}}"})',
  atMost: 2,
  role: 'pause',
  noEvidence: 'extend',
  everyMs: 15_000,
  maxAgeMs: 60_000,
}
const down = { reason: 'provider_down', text: 'it cannot be reached' } as const

const judged = (reading: ProbeReading, change: Partial<ProbePolicy> = {}, bakeComplete = false) => {
  const policy = policyWith({ guardrails: [], probes: [{ ...probe, ...change }] })
  const assessment = assess(
    inputOf([stratum({ candidate: { units: 60 }, incumbent: { units: 60 } })], {
      policy,
      readings: [reading],
      step: { bakeComplete },
    }),
  )
  const verdict = assessment.verdicts.find(({ name }) => name === 'probe:queue-seconds')
  return { ...assessment, verdict }
}

describe('a probe', () => {
  it('within its limit passes and lets the release go on', () => {
    const { action, mayAdvance, verdict } = judged({ value: 1.5, ageMs: 3_000 }, {}, true)
    expect({ action, mayAdvance }).toEqual({ action: 'continue', mayAdvance: true })
    expect(verdict).toMatchObject({ verdict: 'pass', reason: 'within_limit', text: '1.5: the limit is at most 2' })
  })

  it.each([
    ['rollback', 'rollback'],
    ['pause', 'pause'],
    ['notify', 'continue'],
  ] as const)('beyond it asks for its role: %s', (role, action) => {
    const found = judged({ value: 2.5, ageMs: 3_000 }, { role }, true)
    expect(found).toMatchObject({ action, mayAdvance: role === 'notify' })
    expect(found.verdict).toMatchObject({ verdict: 'fail', reason: 'absolute_limit', statistic: 2.5, threshold: 2 })
  })

  it('has a limit on either side', () => {
    const limits = { atLeast: 0.95, atMost: 1 }
    expect(judged({ value: 0.9, ageMs: 0 }, limits).verdict).toMatchObject({
      verdict: 'fail',
      threshold: 0.95,
      text: '0.9: the limit is at least 0.95 and at most 1',
    })
    expect(judged({ value: 0.95, ageMs: 0 }, limits).verdict?.verdict).toBe('pass')
  })

  it('counts its last value until it is too old, and says what is wrong meanwhile', () => {
    expect(judged({ value: 1, ageMs: 60_000, fault: down }).verdict).toMatchObject({
      verdict: 'pass',
      text: '1, 1 minute ago (prometheus at metrics: it cannot be reached): the limit is at most 2',
    })
    expect(judged({ value: 1, ageMs: 61_000, fault: down }).verdict).toMatchObject({
      verdict: 'no_evidence',
      reason: 'provider_down',
      text: 'prometheus at metrics: it cannot be reached; the last value, 1, is 61 seconds old',
    })
  })

  it.each([
    ['extend', 'continue'],
    ['pause', 'pause'],
    ['rollback', 'rollback'],
    ['ask', 'pause'],
  ] as const)(
    'that nobody can answer asks for what the policy says, once it had its time: %s',
    (noEvidence, action) => {
      for (const reason of ['provider_down', 'answer_unusable'] as const) {
        for (const value of [{}, { value: 1, ageMs: 61_000 }]) {
          const reading = { ...value, fault: { reason, text: 'oh' }, newestMs: 0 }
          const found = judged({ ...reading, askedForMs: 60_001 }, { noEvidence })
          expect(found).toMatchObject({ action, mayAdvance: false, waitingFor: expect.arrayContaining([reason]) })
          expect(found.verdict).toMatchObject({ verdict: 'no_evidence', reason })
          expect(judged(reading, { noEvidence })).toMatchObject({ action, mayAdvance: false })
          expect(judged({ ...reading, askedForMs: 60_000 }, { noEvidence }, true)).toMatchObject({
            action: 'continue',
            mayAdvance: false,
          })
        }
      }
    },
  )

  it("of the role notify stands in nobody's way, whatever is wrong", () => {
    const found = judged({ fault: down }, { role: 'notify', noEvidence: 'rollback' }, true)
    expect(found).toMatchObject({ action: 'continue', mayAdvance: true })
  })

  it('that was not asked yet waits, also when the bake is over', () => {
    expect(judged({}, { noEvidence: 'pause' })).toMatchObject({ action: 'continue', mayAdvance: false })
    expect(judged({}, { noEvidence: 'pause' }).verdict).toMatchObject({ reason: 'no_reading' })
    expect(judged({}, { noEvidence: 'rollback' }, true)).toMatchObject({ action: 'continue', mayAdvance: false })
  })

  it('that nobody asked for a while waits for the next answer, whatever the last one was', () => {
    const ages = { askedForMs: 600_000, newestMs: 90_000 }
    for (const fault of [undefined, down]) {
      const reading = { value: 1, ageMs: 90_000, ...(fault ? { fault } : {}), ...ages }
      const found = judged(reading, { noEvidence: 'rollback' }, true)
      expect(found).toMatchObject({ action: 'continue', mayAdvance: false, verdict: { verdict: 'no_evidence' } })
      expect(found.verdict?.text).toMatch(/the last value, 1, is 90 seconds old; nobody has asked for 90 seconds$/)
    }
  })

  it('whose value grew old, in a record of before the ages were kept, is no evidence', () => {
    const found = judged({ value: 1, ageMs: 90_000 }, { noEvidence: 'pause' })
    expect(found).toMatchObject({ action: 'pause', verdict: { verdict: 'no_evidence', reason: 'no_reading' } })
  })

  it('that names an incumbent is not applicable without one', () => {
    const policy = policyWith({ probes: [{ ...probe, query: 'x{a="{{incumbent}}"}' }] })
    const { verdicts, action } = assess(inputOf([], { policy, hasIncumbent: false }))
    expect(action).toBe('continue')
    expect(verdicts.find(({ name }) => name === 'probe:queue-seconds')).toMatchObject({ verdict: 'not_applicable' })
  })
})

describe('the query of a probe', () => {
  it('has its placeholders filled', () => {
    const place = {
      task: 'csat',
      environment: 'production',
      release: 'R1',
      candidate: 'sha256:ab',
      incumbent: 'sha256:cd',
    }
    expect(renderProbe('x{t="{{task}}",c="{{ candidate }}"} / y{r="{{release}}"}', place)).toBe(
      'x{t="csat",c="sha256:ab"} / y{r="R1"}',
    )
  })

  it.each(['"} or vector(0) #', 'a b', "a'", '', 'x\n'])('takes no value that could change it: %j', (task) => {
    expect(() => renderProbe('x{t="{{task}}"}', { task })).toThrow(expect.objectContaining({ code: 'invalid_content' }))
  })
})

describe('the schema of a policy', () => {
  const parse = (change: object) => policyKind.schema.safeParse({ probes: [{ ...probe, ...change }] })

  it('takes a probe and fills its defaults', () => {
    const { name, provider, endpoint, query } = probe
    const parsed = policyKind.schema.parse({ probes: [{ name, provider, endpoint, query, atLeast: 1 }] })
    expect(parsed.probes).toEqual([
      {
        name,
        provider,
        endpoint,
        query,
        atLeast: 1,
        role: 'pause',
        noEvidence: 'extend',
        everyMs: 15_000,
        maxAgeMs: 60_000,
      },
    ])
  })

  it.each([
    [{ query: 'x{a="{{tenant}}"}' }, 'names {{tenant}}'],
    [{ atMost: undefined }, 'expected number'],
    [{ atMost: Number.NaN }, 'number'],
    [{ provider: 'statsd' }, 'prometheus'],
    [{ everyMs: 60_000, maxAgeMs: 65_999 }, 'below everyMs + 6000'],
    [{ url: 'http://here' }, 'url'],
  ])('refuses %j', (change, why) => {
    const { success, error } = parse(change)
    expect(success).toBe(false)
    expect(JSON.stringify(error?.issues)).toContain(why)
  })

  it('refuses a probe without a limit', () => {
    const { atMost: _, ...limitless } = probe
    const { error } = policyKind.schema.safeParse({ probes: [limitless] })
    expect(JSON.stringify(error?.issues)).toContain('neither atMost nor atLeast')
  })

  it('refuses two probes of one name', () => {
    expect(policyKind.schema.safeParse({ probes: [probe, probe] }).success).toBe(false)
  })
})
