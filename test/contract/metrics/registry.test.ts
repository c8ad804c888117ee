import { metricNamed, metricNames } from '../../../src/domain/metric'
import { closedValueNames, eventNames, type UnitReport } from '../../../src/domain/telemetry'
import { momentsOf } from '../../../src/domain/telemetry-fold'
import { metrics } from '../../../src/metrics'

const quiet: UnitReport = {
  unit: '00000000000000aa',
  tenant: 'acme',
  part: 1,
  revision: 1,
  requests: 4,
  errors: 0,
  schemaFailures: 0,
  costUsd: 0.02,
  uncachedCostUsd: 0.03,
  latencyMs: 3600,
  inputTokens: 10,
  cachedTokens: 0,
  outputTokens: 5,
  events: [],
  closed: true,
  gap: false,
}

describe.each(Object.entries(metrics))('metric %s', (name, metric) => {
  it('is filed under its own name, with the facts that the domain tests it by', () => {
    expect(metric.name).toBe(name)
    expect(metric).toMatchObject(metricNamed(name))
    expect(metric.label).toMatch(/^[a-z][a-z ]+$/)
  })

  it('observes a finite value ≥ 0, and nothing before any request', () => {
    const value = metric.observe(quiet)
    expect(Number.isFinite(value)).toBe(true)
    expect(value).toBeGreaterThanOrEqual(0)
    expect(metric.observe({ ...quiet, requests: 0 })).toBeUndefined()
  })

  it('observes exactly what its statistic counts', () => {
    const { statistic } = metric
    if (statistic.kind === 'event') {
      for (const event of eventNames) {
        expect(metric.observe({ ...quiet, events: [event] })).toBe(event === statistic.event ? 1 : 0)
      }
    } else {
      const expected = { cost_usd: 0.02, uncached_cost_usd: 0.03, latency_ms: 900 }[statistic.value]
      expect(closedValueNames).toContain(statistic.value)
      expect(metric.observe(quiet)).toBeCloseTo(momentsOf(statistic.value, expected).sum, 12)
    }
  })
})

describe('the registry', () => {
  it('has a row for every name and every counted fact', () => {
    expect(Object.keys(metrics).sort()).toEqual([...metricNames].sort())
    const statistics = Object.values(metrics).map(({ statistic }) =>
      statistic.kind === 'event' ? statistic.event : statistic.value,
    )
    expect(statistics.sort()).toEqual([...eventNames, ...closedValueNames].sort())
  })

  it.each(['accuracy', '', 'constructor', '__proto__'])('refuses the unknown metric %j', (name) => {
    expect(() => metricNamed(name)).toThrow(expect.objectContaining({ code: 'invalid_content' }))
  })
})
