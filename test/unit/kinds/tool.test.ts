import { classOf } from '../../../src/domain/diff'
import type { Digest } from '../../../src/domain/version'
import { toolKind } from '../../../src/kinds/tool'
import { checkToolCalls } from '../../../src/pipeline/tool-check'

const itself = (digest: Digest) => digest
const tool = (properties: object, rest: object = {}) => ({
  name: 'find',
  description: 'Finds a booking.',
  parameters: { type: 'object', properties, ...rest },
})
const text = { type: 'string' }

describe('a tool', () => {
  it.each<[string, object, object, string]>([
    ['one more required argument', tool({ a: text }), tool({ a: text, b: text }, { required: ['b'] }), 'breaking'],
    ['an argument that has to be given now', tool({ a: text }), tool({ a: text }, { required: ['a'] }), 'breaking'],
    ['an argument that goes', tool({ a: text, b: text }), tool({ a: text }), 'breaking'],
    ['a narrower type', tool({ a: { type: ['string', 'number'] } }), tool({ a: text }), 'breaking'],
    ['an enum value less', tool({ a: { enum: ['x', 'y'] } }), tool({ a: { enum: ['x'] } }), 'breaking'],
    ['a tighter bound', tool({ a: { maxLength: 9 } }), tool({ a: { maxLength: 5 } }), 'breaking'],
    ['another name', tool({}), { ...tool({}), name: 'look_up' }, 'breaking'],
    ['an argument that may be left out', tool({ a: text }), tool({ a: text, b: text }), 'safe'],
    ['one that need not be given any more', tool({ a: text }, { required: ['a'] }), tool({ a: text }), 'safe'],
    ['a wider type', tool({ a: text }), tool({ a: { type: ['string', 'number'] } }), 'safe'],
    ['an enum value more', tool({ a: { enum: ['x'] } }), tool({ a: { enum: ['x', 'y'] } }), 'safe'],
    ['another description', tool({}), { ...tool({}), description: 'Finds it.' }, 'safe'],
  ])('with %s', (_, before, after, risk) => {
    const [old, now] = [toolKind.schema.parse(before), toolKind.schema.parse(after)]
    expect(classOf(toolKind.diff(old, now, itself))).toBe(risk)
  })

  it('says what a change is to who gives the arguments', () => {
    const changes = toolKind.diff(
      tool({ a: text }),
      tool({ a: text, b: { type: 'number' } }, { required: ['b'] }),
      itself,
    )
    expect(changes.map(({ path, change, text: words }) => [path, change, words])).toEqual([
      ['/parameters/properties/b', 'added', 'b added: {"type":"number"} (who does not know it leaves it out)'],
      ['/parameters/required/b', 'added', 'b: it must be given now'],
    ])
  })

  it.each([
    { ...tool({}), parameters: { type: 'string' } },
    { ...tool({}), parameters: {} },
    { ...tool({}), name: 'find it' },
    tool({ a: { pattern: '(a+)+$' } }),
  ])('refuses %j', (content) => {
    expect(toolKind.schema.safeParse(content).success).toBe(false)
  })
})

describe('calls of tools', () => {
  const tools = [tool({ locator: text }, { required: ['locator'] })]
  const check = (name: string, given: string) => checkToolCalls(tools, [{ id: '1', name, arguments: given }])

  it('fit where the arguments do', () => {
    expect(check('find', '{"locator":"X1"}')).toEqual([])
  })

  it.each([
    ['find', '{"locator":7}', { path: '/tools/0/locator', message: 'must be string' }],
    ['find', '{}', { path: '/tools/0', message: "must have required property 'locator'" }],
    ['find', '{', { path: '/tools/0', message: 'gives find arguments that are not JSON' }],
    ['drop', '{}', { path: '/tools/0', message: 'calls drop, which is no tool here' }],
  ])('of %s with %s do not', (name, given, mismatch) => {
    expect(check(name, given)).toEqual([mismatch])
  })
})
