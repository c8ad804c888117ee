import { branchText } from '../../../src/domain/branch'
import type { EngineContent, FilterCondition } from '../../../src/domain/contents'
import { classOf } from '../../../src/domain/diff'
import type { RouterContent } from '../../../src/domain/pipeline-contents'
import type { Digest } from '../../../src/domain/version'
import { SluiceError } from '../../../src/errors'
import { routerKind } from '../../../src/kinds/router'
import { answerAgain, answerRouted, type LoadedRouter, nothingUsed } from '../../../src/pipeline/route'
import { engineContent } from '../../support/contents'

const digest = (digit: string): Digest => `sha256:${digit.repeat(64)}`
const itself = (one: Digest) => one

const base: RouterContent = {
  candidates: { small: digest('1'), large: digest('2'), spare: digest('3') },
  rules: [
    { when: { attribute: 'language', in: ['de', 'fr'] }, use: 'large' },
    { when: { attribute: 'characters', lt: 100 }, use: 'small' },
  ],
  default: 'small',
  fallbacks: ['large', 'spare'],
}
const classifier = {
  engine: digest('4'),
  prompt: digest('5'),
  labels: { hard: 'large', easy: 'small' },
  onFailure: 'spare',
}
const asking: RouterContent = { ...base, rules: [], classifier }

const engine = (model: string): EngineContent => ({ ...(engineContent as EngineContent), model })
const loaded = (content: RouterContent): LoadedRouter => ({
  content,
  engines: { small: engine('small'), large: engine('large'), spare: engine('spare') },
  ...(content.classifier ? { classifier: { engine: engine('triage'), prompt: { text: 'Hard?' } } } : {}),
})

const failure = (retryable: boolean) => new SluiceError('engine_failed', 'no answer', { retryable })
const question = [{ role: 'user' as const, content: 'Hard?' }]

/** Sends a request through a router whose engines answer or fail as told; answers the branch and who was asked. */
async function send(
  content: RouterContent,
  attributes: Readonly<Record<string, string | number>> = {},
  replies: Readonly<Record<string, string | Error>> = {},
) {
  const asked: string[] = []
  const routed = await answerRouted(loaded(content), { attributes, question }, async ({ model }, classified) => {
    asked.push(classified === undefined ? model : `${model}?`)
    const reply = replies[model] ?? 'fine'
    if (reply instanceof Error) throw reply
    return { ...nothingUsed, text: reply, costUsd: 1, inputTokens: 10 }
  })
  return { ...routed, text: branchText(routed.branch), asked }
}

describe('a router', () => {
  it.each<[string, Readonly<Record<string, string | number>>, string]>([
    ['by the first rule that holds', { language: 'de', characters: 5 }, 'rule 0: large'],
    ['by a later rule', { language: 'en', characters: 5 }, 'rule 1: small'],
    ['by its default', { language: 'en', characters: 500 }, 'default: small'],
    ['by its default where attributes are missing', {}, 'default: small'],
  ])('chooses %s', async (_, attributes, branch) => {
    const sent = await send(base, attributes)
    expect(sent.text).toBe(branch)
    expect(sent.asked).toEqual([branch.split(': ')[1]])
  })

  it.each<[string, RouterContent, string | Error, string]>([
    ['a bare label', asking, ' hard\n', 'label hard: large'],
    ['a label in JSON', asking, '{"label":"easy"}', 'label easy: small'],
    ['a JSON text', asking, '"hard"', 'label hard: large'],
    ['a label that it does not know', asking, 'odd', 'default for odd: small'],
    ['the name of an inherited property', asking, 'constructor', 'default for constructor: small'],
    ['a failure', asking, failure(false), 'classifier failed: spare'],
    ['too little confidence', sure(0.8), '{"label":"hard","confidence":0.7}', 'default for hard: small'],
    ['enough confidence', sure(0.8), '{"label":"hard","confidence":0.8}', 'label hard: large'],
    ['no confidence where some is asked for', sure(0), 'hard', 'default for hard: small'],
  ])('reads of its classifier %s', async (_, content, reply, branch) => {
    const sent = await send(content, {}, { triage: reply })
    expect(sent.text).toBe(branch)
    expect(sent.asked).toEqual(['triage?', branch.split(': ')[1]])
  })

  it('does not ask the classifier where a rule holds', async () => {
    expect((await send({ ...asking, rules: base.rules }, { language: 'fr' })).asked).toEqual(['large'])
  })

  it('counts what the classifier cost', async () => {
    const { used } = await send(asking, {}, { triage: 'hard' })
    expect(used).toEqual({ ...nothingUsed, costUsd: 2, inputTokens: 20 })
  })

  it('goes on to its fallbacks, in order, each candidate once', async () => {
    const first = await send(base, { language: 'de' }, { large: failure(true) })
    expect([first.text, first.asked]).toEqual(['rule 0: spare, fallback 1', ['large', 'spare']])
    const second = await send(base, {}, { small: failure(true), large: failure(true) })
    expect([second.text, second.asked]).toEqual(['default: spare, fallback 1', ['small', 'large', 'spare']])
  })

  it('fails with the last error where none answers, and counts what was paid', async () => {
    const last = failure(true)
    const sent = await send(asking, {}, { triage: 'hard', large: failure(true), spare: last })
    expect(sent).toMatchObject({ error: last, text: 'label hard: spare, fallback 1', used: { costUsd: 1 } })
  })

  it.each([failure(false), new Error('aborted')])('does not try another candidate after %s', async (error) => {
    const sent = await send(base, {}, { small: error })
    expect(sent).toMatchObject({ error, asked: ['small'] })
  })

  it('gives up where the classifier is aborted', async () => {
    const error = new Error('aborted')
    expect(await send(asking, {}, { triage: error })).toMatchObject({ error, asked: ['triage?'] })
  })

  it('stays with the candidate of an earlier round', async () => {
    const branch = { candidate: 'large', by: 'label', label: 'hard' } as const
    const again = await answerAgain(loaded(asking), branch, async ({ model }) => ({ ...nothingUsed, text: model }))
    expect(again).toMatchObject({ branch, answer: { text: 'large' } })
    expect(() => answerAgain(loaded(asking), { ...branch, candidate: 'gone' }, async () => fail())).toThrow('gone')
  })

  it('keeps the text of a branch short', () => {
    const text = branchText({ candidate: 'large', by: 'label', label: 'x'.repeat(500), fallback: 2 })
    expect(text).toHaveLength(200)
    expect(text).toMatch(/: large, fallback 2$/)
  })
})

describe('a change of a router', () => {
  const diff = (after: RouterContent, before: RouterContent = base) => routerKind.diff(before, after, itself)
  const rule = (when: FilterCondition) => ({ when, use: 'spare' })

  it('shows a rule that comes in as one line', () => {
    const [first, ...rest] = base.rules
    const rules = [...(first ? [first] : []), rule({ not: { attribute: 'language', eq: 'en' } }), ...rest]
    const changes = diff({ ...base, rules })
    expect(changes).toHaveLength(1)
    expect(changes[0]).toMatchObject({ class: 'safe', path: '/rules' })
    expect(changes[0]?.text.split('\n')).toEqual([
      'rules changed:',
      '  language in "de", "fr" → large',
      '+ not (language = "en") → spare',
      '  characters < 100 → small',
    ])
  })

  it.each<[string, RouterContent, string]>([
    ['a rule on another attribute', { ...base, rules: [rule({ attribute: 'vip', exists: true })] }, 'breaking'],
    ['a rule less', { ...base, rules: [] }, 'safe'],
    ['an engine of another protocol', { ...base, candidates: { ...base.candidates, spare: digest('9') } }, 'breaking'],
    ['an engine less', { ...base, candidates: { small: digest('1'), large: digest('2') } }, 'safe'],
    ['another default', { ...base, default: 'large' }, 'safe'],
    ['a classifier, whose variables have to be given', { ...base, classifier }, 'breaking'],
    ['the same', structuredClone(base), 'none'],
  ])('with %s', (_, after, risk) => {
    expect(classOf(diff(after))).toBe(risk)
  })

  it.each([
    { ...base, default: 'gone' },
    { ...base, fallbacks: ['gone'] },
    { ...base, fallbacks: ['large', 'large'] },
    { ...base, rules: [{ when: { attribute: 'a', eq: 1 }, use: 'constructor' }] },
    { ...base, classifier: { ...classifier, labels: { hard: 'gone' } } },
    { ...base, classifier: { ...classifier, onFailure: 'gone' } },
    { ...base, candidates: {} },
    { ...base, rules: [{ when: {}, use: 'small' }] },
    { ...base, rules: [{ when: deep(), use: 'small' }] },
  ])('is refused where it names what is not there, case %#', (content) => {
    expect(routerKind.schema.safeParse(content).success).toBe(false)
  })
})

function sure(minConfidence: number): RouterContent {
  return { ...asking, classifier: { ...classifier, minConfidence } }
}

function deep(): object {
  let condition: object = { attribute: 'a', eq: 1 }
  for (let depth = 0; depth < 5000; depth += 1) condition = { not: condition }
  return condition
}

const fail = (): never => {
  throw new Error('nobody is asked')
}
