import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildCases } from '../../../examples/airline/build-cases'
import { cutsOf, entriesOf } from '../../../examples/airline/transcript'
import type { PromptContent } from '../../../src/domain/contents'
import { airlineCases, airlineSource } from '../../support/airline'
import { airlinePrompts, airlineRequest, ask, reportOf, textOf } from '../../support/simulated-request'

const cases = airlineCases()
let prompts: ReadonlyMap<string, PromptContent>
beforeAll(async () => {
  prompts = await airlinePrompts()
})
const prompt = (semver: string): PromptContent => {
  const found = prompts.get(semver)
  if (!found) throw new Error(`no prompt ${semver}`)
  return found
}

/** Cases whose `resolved` is right. */
const right = (semver: string, among = cases): number =>
  among.filter(
    ({ input, expected }) =>
      reportOf(ask(airlineRequest(prompt(semver), input.transcript))).resolved === expected.resolved,
  ).length

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('the example data', () => {
  it('is built from the conversations beside it', () => {
    const committed = readFileSync(
      join(__dirname, '../../../examples/airline/datasets/airline-cases/1.0.0.jsonl'),
      'utf8',
    )
    expect(buildCases(airlineSource())).toBe(committed)
  })

  it('holds 200 real calls of 50 tasks, with the base rates the thresholds are set against', () => {
    expect(cases).toHaveLength(200)
    expect(new Set(cases.map(({ group }) => group)).size).toBe(50)
    expect(cases.filter(({ expected }) => !expected.resolved)).toHaveLength(116)
    expect(cases.filter(({ expected }) => expected.resolved === expected.transferred)).toHaveLength(138)
  })

  it('cuts a transcript after each message, and the last cut is the whole', () => {
    for (const { input } of cases) {
      expect(entriesOf(input.transcript).join('\n')).toBe(input.transcript)
      const cuts = cutsOf(input.transcript)
      expect(cuts.at(-1)).toBe(input.transcript)
      expect(cuts.length).toBeGreaterThanOrEqual(5)
      expect(cuts.every((cut) => input.transcript.startsWith(cut))).toBe(true)
    }
  })
})

describe('the simulated engine on whole calls', () => {
  it('gives the same answer to the same request, and another id to another seed', () => {
    const [first] = cases
    const request = airlineRequest(prompt('1.0.0'), first?.input.transcript ?? '')
    expect(ask(request)).toEqual(ask({ ...request }))
    expect(ask({ ...request, seed: 8 }).response?.id).not.toBe(ask(request).response?.id)
    expect(ask({ ...request, seed: 8 }).latencyMs).not.toBe(ask(request).latencyMs)
  })

  it('judges by the prompt: the first one is little better than the base rate, and errs on transferred calls', () => {
    const transferred = cases.filter(({ expected }) => expected.transferred)
    expect(right('1.0.0')).toBe(132)
    expect(right('1.0.0', transferred)).toBe(25)
    expect(right('1.1.0')).toBe(150)
    expect(right('1.1.0', transferred)).toBe(37)
  })

  it.each(['1.2.0', '1.3.0', '1.4.0'])('lets prompt %s pass on whole calls as well as 1.1.0', (semver) => {
    const answers = cases.map(({ input }) => ask(airlineRequest(prompt(semver), input.transcript)))
    expect(answers.every((given) => isJson(textOf(given)))).toBe(true)
    expect(right(semver)).toBe(150)
  })

  it('reads transfers off the tool calls only where the prompt names the tool', () => {
    const agree = (semver: string) =>
      cases.filter(
        ({ input, expected }) =>
          reportOf(ask(airlineRequest(prompt(semver), input.transcript))).transferred === expected.transferred,
      ).length
    expect(agree('1.0.0')).toBe(160)
    expect(agree('1.1.0')).toBe(200)
  })
})

describe('the simulated engine on calls that are still going on', () => {
  const open = cases.flatMap(({ input }) => cutsOf(input.transcript).slice(0, -1))
  const sample = open.filter((_, index) => index % 5 === 0)
  const answers = (semver: string) => sample.map((transcript) => ask(airlineRequest(prompt(semver), transcript)))
  const outputTokens = (semver: string) =>
    answers(semver).reduce((sum, { response }) => sum + (response?.usage.completion_tokens ?? 0), 0) / sample.length

  it('answers whole and valid to the harmless prompts', () => {
    for (const semver of ['1.0.0', '1.1.0', '1.4.0']) {
      expect(answers(semver).every((given) => isJson(textOf(given)))).toBe(true)
    }
  })

  it('answers 1.2.0 at more than ten times the length, still valid', () => {
    expect(answers('1.2.0').every((given) => isJson(textOf(given)))).toBe(true)
    expect(outputTokens('1.2.0') / outputTokens('1.1.0')).toBeGreaterThan(10)
  })

  it('breaks on 1.3.0: server errors and prose before the JSON, in more than half of the requests', () => {
    const given = answers('1.3.0')
    const errors = given.filter(({ response }) => response === undefined).length
    const malformed = given.filter((one) => one.response !== undefined && !isJson(textOf(one))).length
    expect(errors / sample.length).toBeGreaterThan(0.1)
    expect(errors / sample.length).toBeLessThan(0.2)
    expect(malformed / sample.length).toBeGreaterThan(0.4)
  })
})
