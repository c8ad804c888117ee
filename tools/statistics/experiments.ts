import { failedChecks, mannWhitneyJudge, peekedChiSquare, peekedZ } from './peers'
import {
  autocorrelated,
  bernoulli,
  classes,
  lognormal,
  pareto,
  purchases,
  type Source,
  scores,
  tenants,
  type Unit,
} from './sources'
import { certificate, events, mean, meanBelow, multinomial, numeric, sampleRatio, type Watcher } from './watchers'

/** One world, watched by several tests on the same streams. */
export interface Experiment {
  readonly name: string
  /** Whether every alarm of a test is a false one. */
  readonly harmless: boolean
  readonly share: number
  /** Units of B in a stream. */
  readonly looks: number
  readonly source: Source
  /** The product's tests, and then what others do, by name. */
  readonly ours: Readonly<Record<string, () => Watcher>>
  readonly peers: Readonly<Record<string, () => Watcher>>
}

const asEvent = (unit: Unit): number => (unit.event ? 1 : 0)
const asValue = (unit: Unit): number => unit.value
const tenthousand = 10_000

const ratePeers = (rate: number) => ({
  'peeked z': () => peekedZ(asEvent),
  'Mann-Whitney judge': () => mannWhitneyJudge(asEvent),
  'failed checks': () => failedChecks(asEvent, 2 * rate),
})

const valuePeers = (meanOfA: number) => ({
  'peeked z': () => peekedZ(asValue),
  'Mann-Whitney judge': () => mannWhitneyJudge(asValue),
  'failed checks': () => failedChecks(asValue, 1.25 * meanOfA),
})

const valueTests = (share: number) => ({
  mean: () => mean(share, 'raw'),
  'log mean': () => mean(share, 'log'),
  exceedances: () => events(share),
})

const shares = [0.5, 0.1, 0.95] as const
const percent = (part: number): string => `${Number((100 * part).toFixed(1))} %`
/** The mean of a lognormal value whose logarithm has mean 0. */
const lognormalMean = (spread: number): number => Math.exp((spread * spread) / 2)

function harmlessOf(share: number): readonly Experiment[] {
  const base = { harmless: true, share, looks: tenthousand }
  const rates = [0.001, 0.01, 0.05, 0.2].map(
    (rate): Experiment => ({
      ...base,
      name: `errors of ${percent(rate)}`,
      source: bernoulli(rate),
      ours: {
        events: () => events(share),
        'events, margin 25 %': () => events(share, 0.25),
      },
      peers: ratePeers(rate),
    }),
  )
  const spreads = [0.5, 1, 1.5, 2].map(
    (spread): Experiment => ({
      ...base,
      name: `lognormal values, σ ${spread}`,
      source: lognormal(spread),
      ours: valueTests(share),
      peers: valuePeers(lognormalMean(spread)),
    }),
  )
  const mixed = [
    { name: 'Pareto values, shape 2.5', source: pareto(2.5), peers: valuePeers(2.5 / 1.5) },
    { name: 'autocorrelated level', source: autocorrelated(0.01), peers: valuePeers(lognormalMean(Math.SQRT2)) },
    { name: 'fifty tenants, each its own', source: tenants(0.01), peers: valuePeers(lognormalMean(Math.SQRT2)) },
  ].map((row): Experiment => ({ ...base, ...row, ours: valueTests(share) }))
  return [...rates, ...spreads, ...mixed]
}

function harmlessOutputs(share: number): readonly Experiment[] {
  const base = { harmless: true, share, looks: tenthousand }
  return [
    {
      ...base,
      name: 'five output classes',
      source: classes(),
      ours: { multinomial: () => multinomial(share) },
      peers: { 'peeked chi-square': () => peekedChiSquare(4) },
    },
    {
      ...base,
      name: 'numeric output',
      source: scores(),
      ours: { 'numeric shift': () => numeric(share) },
      peers: { 'peeked z': () => peekedZ(asValue) },
    },
    {
      ...base,
      name: 'assignment as intended',
      source: bernoulli(0),
      ours: { 'sample ratio': () => sampleRatio(share) },
      peers: {},
    },
    ...[2, 1.5].map(
      (ratio): Experiment => ({
        ...base,
        name: `errors of 1 %, B at ${ratio} times`,
        source: bernoulli(0.01, ratio),
        ours: { [`certificate below ${ratio}`]: () => certificate(share, ratio) },
        peers: {},
      }),
    ),
  ]
}

function harmfulOf(share: number): readonly Experiment[] {
  const base = { harmless: false, share, looks: 2 * tenthousand }
  const errors = [2, 3].map(
    (effect): Experiment => ({
      ...base,
      name: `errors 1 → ${effect} %`,
      source: bernoulli(0.01, effect),
      ours: { events: () => events(share), 'events, margin 25 %': () => events(share, 0.25) },
      peers: ratePeers(0.01),
    }),
  )
  const costs = [1.2, 1.5].map(
    (effect): Experiment => ({
      ...base,
      name: `cost +${Math.round(100 * (effect - 1))} %, σ 1`,
      source: lognormal(1, effect),
      ours: valueTests(share),
      peers: valuePeers(lognormalMean(1)),
    }),
  )
  const latency = 0.5
  const tails = {
    all: lognormal(latency, 1.3),
    'the tail alone': lognormal(latency, 1, latency + Math.log(1.3) / 1.645),
  }
  return [
    ...errors,
    ...costs,
    ...Object.entries(tails).map(
      ([which, source]): Experiment => ({
        ...base,
        name: `latency p95 +30 %, ${which}, σ ${latency}`,
        source,
        ours: valueTests(share),
        peers: valuePeers(lognormalMean(latency)),
      }),
    ),
    ...Object.entries({
      '5 points to the rarest class': classes(0.05),
      '10 points between big classes': classes(0.1, 1),
    }).map(
      ([name, source]): Experiment => ({
        ...base,
        name,
        source,
        looks: 6000,
        ours: { multinomial: () => multinomial(share) },
        peers: { 'peeked chi-square': () => peekedChiSquare(4) },
      }),
    ),
    {
      ...base,
      name: 'numeric output, a tenth of a deviation up',
      source: scores(0.1),
      ours: { 'numeric shift': () => numeric(share) },
      peers: { 'peeked z': () => peekedZ(asValue) },
    },
  ]
}

/** Most values are nothing, and few are worse: in a small arm a low mean comes with a low variance. */
const purchasesOf = (share: number, staying = 1): Experiment => ({
  name: staying === 1 ? 'purchases of 5 %' : `purchases 5 → ${percent(0.05 * staying)}`,
  harmless: staying === 1,
  share,
  looks: share < 0.1 ? 1000 : staying === 1 ? tenthousand : 2 * tenthousand,
  source: purchases(0.05, staying),
  ours: {
    'mean, lower is worse': () => meanBelow(share),
    ...(staying === 1 ? { 'numeric shift': () => numeric(share) } : {}),
  },
  // It looks for values that rise.
  peers: staying === 1 ? { 'peeked z': () => peekedZ(asValue) } : {},
})

/** Where a good candidate is to be certified: no harm, but every alarm is a find. */
const certified = (share: number): readonly Experiment[] =>
  [2, 1.5].map((ratio) => ({
    name: `errors of 1 % in both, shown below ${ratio} times`,
    harmless: false,
    share,
    looks: 2 * tenthousand,
    source: bernoulli(0.01),
    ours: { certificate: () => certificate(share, ratio) },
    peers: {},
  }))

/** The share is the actual one; 10 % were intended. */
const mismatched: readonly Experiment[] = [0.11, 0.12, 0.15].map((share) => ({
  name: `assignment of ${percent(share)} for 10 %`,
  harmless: false,
  share,
  looks: tenthousand,
  source: bernoulli(0),
  ours: { 'sample ratio': () => sampleRatio(0.1) },
  peers: {},
}))

export const experiments: readonly Experiment[] = [
  ...shares.flatMap(harmlessOf),
  ...shares.flatMap(harmlessOutputs),
  ...[0.01, ...shares].map((share) => purchasesOf(share)),
  ...shares.flatMap(harmfulOf),
  ...shares.map((share) => purchasesOf(share, 0.5)),
  ...[0.5, 0.1].flatMap(certified),
  ...mismatched,
]

export const idOf = ({ name, share }: Experiment): string => `${name} @ ${share}`
