import fc from 'fast-check'
import { classOf } from '../../../src/domain/diff'
import type { PostprocessContent, PostprocessStep } from '../../../src/domain/pipeline-contents'
import type { Digest } from '../../../src/domain/version'
import { postprocessKind } from '../../../src/kinds/postprocess'
import { postprocess, requirePostprocessors } from '../../../src/pipeline/postprocess'
import { draftOf } from '../../support/kind-drafts'

const itself = (digest: Digest) => digest
const digest: Digest = `sha256:${'a'.repeat(64)}`
const made = (output: unknown, ...steps: readonly PostprocessStep[]) => postprocess([{ steps }], output)

describe('a post-processing step', () => {
  it.each<[object, PostprocessStep, object]>([
    [{ a: 1, b: 2 }, { step: 'pick', keys: ['b', 'c'] }, { b: 2 }],
    [
      { a: 1, b: 2 },
      { step: 'rename', keys: { a: 'b', b: 'a' } },
      { b: 1, a: 2 },
    ],
    [{ a: 1, b: 2 }, { step: 'rename', keys: { a: 'b' } }, { b: 1 }],
    [{ b: 2 }, { step: 'rename', keys: { a: 'b' } }, { b: 2 }],
    [{ a: 9 }, { step: 'clamp', key: 'a', min: 1, max: 5 }, { a: 5 }],
    [{ a: -9 }, { step: 'clamp', key: 'a', min: 1 }, { a: 1 }],
    [{ a: '9' }, { step: 'clamp', key: 'a', min: 1, max: 5 }, { a: '9' }],
    [{ a: 1.005 }, { step: 'round', key: 'a', digits: 2 }, { a: 1.01 }],
    [{ a: -2.5 }, { step: 'round', key: 'a', digits: 0 }, { a: -3 }],
    [{ a: -0.2 }, { step: 'round', key: 'a', digits: 0 }, { a: 0 }],
    [{ a: 1e300 }, { step: 'round', key: 'a', digits: 12 }, { a: 1e300 }],
    [{ a: 1e-9 }, { step: 'round', key: 'a', digits: 2 }, { a: 0 }],
    [{ a: 'yes' }, { step: 'map', key: 'a', values: { yes: true } }, { a: true }],
    [{ a: 3 }, { step: 'map', key: 'a', values: { 3: 'three' } }, { a: 'three' }],
    [{ a: 'no' }, { step: 'map', key: 'a', values: { yes: true } }, { a: 'no' }],
    [{ a: [1] }, { step: 'map', key: 'a', values: { yes: true }, otherwise: false }, { a: false }],
    [{ a: 'toString' }, { step: 'map', key: 'a', values: { yes: true } }, { a: 'toString' }],
    [{ a: null }, { step: 'default', key: 'a', value: 3 }, { a: 3 }],
    [{ a: 0 }, { step: 'default', key: 'a', value: 3 }, { a: 0 }],
    [{}, { step: 'default', key: 'a', value: 3 }, { a: 3 }],
    [{}, { step: 'clamp', key: 'a', min: 1 }, {}],
  ])('makes of %j by %j %j', (output, step, expected) => {
    expect(made(output, step)).toEqual({ output: expected })
  })

  it('is done after the one before it', () => {
    const steps: PostprocessStep[] = [
      { step: 'rename', keys: { rating: 'score' } },
      { step: 'clamp', key: 'score', max: 5 },
    ]
    expect(made({ rating: 8 }, ...steps)).toEqual({ output: { score: 5 } })
  })

  it.each([[[]], ['text'], [7], [null]])('does not work on %j', (output) => {
    expect(made(output, { step: 'pick', keys: ['a'] })).toMatchObject({ fault: { path: '' } })
  })
})

describe('post-processing', () => {
  it('is the same every time and leaves what it was given as it is', () => {
    const outputs = fc.dictionary(fc.constantFrom('mood', 'score', 'a.b', '$ref'), fc.jsonValue({ maxDepth: 1 }))
    fc.assert(
      fc.property(draftOf.postprocess, outputs, (draft, output) => {
        const content = postprocessKind.schema.parse(draft) as PostprocessContent
        if ('code' in content) return
        const before = JSON.stringify(output)
        const [once, again] = [postprocess([content], output), postprocess([content], output)]
        expect(JSON.stringify(again)).toBe(JSON.stringify(once))
        expect(JSON.stringify(output)).toBe(before)
      }),
    )
  })

  it('runs the code that is given under its digest, on a copy', () => {
    const content: PostprocessContent = { code: { digest, uri: 's3://code/1', entry: 'main' } }
    const output = { score: 1 }
    const code = (given: unknown, entry?: string) => Object.assign(given as object, { entry })
    expect(postprocess([content], output, { [digest]: code })).toEqual({ output: { score: 1, entry: 'main' } })
    expect(output).toEqual({ score: 1 })
    const broken = () => {
      throw new Error('no score')
    }
    expect(postprocess([content], output, { [digest]: broken })).toMatchObject({
      fault: { message: expect.stringContaining('no score') },
    })
    expect(() => requirePostprocessors([content], {})).toThrow(expect.objectContaining({ code: 'invalid_config' }))
  })

  const clamp = (min: number, max?: number) => ({
    steps: [{ step: 'clamp' as const, key: 'a', min, ...(max === undefined ? {} : { max }) }],
  })
  it.each<[string, PostprocessContent, PostprocessContent, string]>([
    ['a tighter clamp', clamp(1, 9), clamp(2, 8), 'safe'],
    ['a bound more', clamp(1), clamp(1, 8), 'safe'],
    ['a wider clamp', clamp(1, 9), clamp(1, 10), 'breaking'],
    ['a bound less', clamp(1, 9), clamp(1), 'breaking'],
    ['another key', clamp(1), { steps: [{ step: 'clamp', key: 'b', min: 1 }] }, 'breaking'],
    ['another step', clamp(1), { steps: [{ step: 'round', key: 'a', digits: 1 }] }, 'breaking'],
    ['one step less', { steps: [...clamp(1).steps, ...clamp(2).steps] }, clamp(1), 'breaking'],
  ])('with %s', (_, before, next, risk) => {
    expect(classOf(postprocessKind.diff(before, next, itself))).toBe(risk)
  })

  it.each([
    { steps: [] },
    { steps: [{ step: 'clamp', key: 'a' }] },
    { steps: [{ step: 'clamp', key: 'a', min: 2, max: 1 }] },
    { steps: [{ step: 'rename', keys: { a: 'c', b: 'c' } }] },
    { steps: [{ step: 'shout', key: 'a' }] },
    { code: { digest, uri: 'file:///data/code.js' } },
    { code: { digest, uri: '/data/code.js' } },
    { code: { digest, uri: 's3://a' }, steps: [] },
  ])('refuses %j', (content) => {
    expect(postprocessKind.schema.safeParse(content).success).toBe(false)
  })
})
