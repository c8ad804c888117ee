import { contentsOf, importFiles, price, rowsOf } from '../../../support/import'

const config = `description: Translator
prompts:
  - 'Translate to {{language}}: {{text}}'
  - file://prompts/chat.json
  - id: file://prompts/two.txt
    label: two
providers:
  - openai:gpt-4o-mini
  - id: openai:chat:gpt-4o
    label: big
    config:
      temperature: 0
      apiKey: sk-secret
defaultTest:
  vars: { tone: kind }
  assert:
    - type: not-icontains
      value: as an ai
tests:
  - description: greeting
    vars: { language: French, text: Hello }
    assert:
      - { type: equals, value: Bonjour }
      - { type: contains-all, value: [Bon, jour], weight: 2 }
  - vars: { language: [German, Dutch], text: file://texts/long.txt, tone: dry }
    assert:
      - { type: regex, value: '^\\w+' }
      - { type: is-json, value: { type: object, required: [text] } }
      - { type: contains, value: 'in {{language}}' }
  - file://more.csv
scenarios:
  - config:
      - vars: { language: Polish }
      - vars: { language: Czech }
    tests:
      - vars: { text: Bye }
        assert: [{ type: starts-with, value: D }]
evaluateOptions:
  repeat: 3
  maxConcurrency: 2
outputPath: out.html
`
const files = {
  'promptfooconfig.yaml': config,
  'prompts/chat.json': JSON.stringify([
    { role: 'system', content: 'Be {{tone}}.' },
    { role: 'user', content: '{{text}} in {{language}}' },
  ]),
  'prompts/two.txt': 'One {{text}}\n---\nTwo {{ text }}\n',
  'texts/long.txt': 'A long text\n',
  'more.csv':
    'language,text,__expected1,__expected2,__description\nSpanish,"Hello, ""you""",contains-any:Hola,not-contains:Hello,said\nItalian,Ciao,Salve,,\n',
}

describe('import promptfoo', () => {
  it('makes prompts and engines', async () => {
    const run = await importFiles('promptfoo', files, { args: price })
    expect(run.err).toBe('')
    expect(contentsOf(run)).toMatchObject({
      'prompt/prompt-1@1.0.0': { text: 'Translate to {{language}}: {{text}}' },
      'prompt/chat@1.0.0': { messages: [{ role: 'system', content: 'Be {{tone}}.' }, { role: 'user' }] },
      'prompt/two-1@1.0.0': { text: 'One {{text}}' },
      'prompt/two-2@1.0.0': { text: 'Two {{ text }}' },
      'engine/gpt-4o-mini@1.0.0': { endpoint: 'openai', parameters: {} },
      'engine/gpt-4o@1.0.0': { parameters: { temperature: 0 } },
      'suite/translator@1.0.0': { dataset: 'translator@1.0.0', thresholds: { minAccuracy: 1 }, repeats: 3 },
    })
    expect(JSON.stringify([run.files, run.answer])).not.toContain('sk-secret')
  })

  it('makes every test a case with its own checks', async () => {
    const rows = rowsOf(await importFiles('promptfoo', files, { args: price }))
    const never = { check: 'contains-any', value: 'as an ai', ignoreCase: true, not: true }
    expect(rows.map(({ id, group }) => [id, group])).toEqual([
      ['0001', '0001'],
      ['0002.1', '0002'],
      ['0002.2', '0002'],
      ['0003', '0003'],
      ['0004', '0004'],
      ['0005', '0005'],
      ['0006', '0006'],
    ])
    expect(rows[0]).toEqual({
      id: '0001',
      group: '0001',
      description: 'greeting',
      input: { tone: 'kind', language: 'French', text: 'Hello' },
      expected: {
        checks: [
          never,
          { check: 'equals', value: 'Bonjour' },
          { check: 'contains-all', value: ['Bon', 'jour'], weight: 2 },
        ],
      },
    })
    expect(rows[2]).toMatchObject({
      input: { language: 'Dutch', text: 'A long text', tone: 'dry' },
      expected: {
        checks: [
          never,
          { check: 'matches', value: '^\\w+' },
          { check: 'json-schema', value: { type: 'object', required: ['text'] } },
          { check: 'contains-any', value: 'in Dutch' },
        ],
      },
    })
    expect(rows[3]).toMatchObject({
      description: 'said',
      input: { text: 'Hello, "you"' },
      expected: {
        checks: [never, { check: 'contains-any', value: 'Hola' }, { check: 'contains-any', value: 'Hello', not: true }],
      },
    })
    expect(rows[4]).toMatchObject({ expected: { checks: [never, { check: 'equals', value: 'Salve' }] } })
    expect(rows[6]).toMatchObject({ input: { language: 'Czech', text: 'Bye' } })
  })

  const small = (assertion: string) => ({
    'promptfooconfig.yaml': `prompts: ['Say {{word}}']\nproviders: []\ntests:\n  - vars: { word: a }\n    assert: [{ type: contains, value: a }, ${assertion}]\n`,
  })
  it.each([
    ['llm-rubric', '{ type: llm-rubric, value: is kind }', /pin a judge/],
    ['javascript', '{ type: javascript, value: output.length < 3 }', /runs code/],
    ['similar', '{ type: similar, value: a, threshold: 0.8 }', /compares embeddings/],
    ['cost', '{ type: cost, threshold: 0.01 }', /has no threshold|guardrails/],
    ['latency', '{ type: latency, threshold: 500 }', /has no threshold|guardrails/],
    ['a set of assertions', '{ type: assert-set, assert: [] }', /assert/],
    ['a transform', '{ type: equals, value: a, transform: output.trim() }', /transform/],
    ['a value with logic', '{ type: equals, value: "{{ word | upper }}" }', /logic/],
    ['a value of an unknown variable', '{ type: equals, value: "{{ other }}" }', /does not give/],
    ['a pattern that never ends', '{ type: regex, value: "^(a+)+$" }', /repeats a group/],
    ['a weight of nothing', '{ type: equals, value: a, weight: 0 }', /weight is 0/],
    ['a word that is no assertion', '{ type: is-valid-poem }', /is-valid-poem/],
  ])('refuses the loss of %s', async (_, assertion, why) => {
    const run = await importFiles('promptfoo', small(assertion))
    expect(run).toMatchObject({ code: 3, error: { code: 'lossy_import' } })
    expect(run.error.message).toMatch(why)
    const lossy = await importFiles('promptfoo', small(assertion), { args: ['--lossy'] })
    expect(rowsOf(lossy)[0]).toMatchObject({ expected: { checks: [{ check: 'contains-any', value: 'a' }] } })
  })

  it.each([
    ['a filter', 'prompts: ["{{ a | upper }}"]', /upper/],
    ['a condition', 'prompts: ["{% if a %}b{% endif %}"]', /\{% if a %\}/],
    ['a prompt that is a program', 'prompts: [file://make.py]', /without running/],
    ['a provider that is a program', 'prompts: [Hi there]\nproviders: [exec:rm]', /names no model/],
    ['a test without assertions', 'prompts: [Hi there]\ntests: [{ vars: {} }]', /asserts nothing/],
    [
      'a variable that no test gives',
      'prompts: ["{{a}}"]\ntests: [{ assert: [{ type: equals, value: a }] }]',
      /no value for \{\{a\}\}/,
    ],
    ['tests made by a program', 'prompts: [Hi there]\ntests: file://make.js', /without running/],
    [
      'a threshold',
      'prompts: [Hi there]\ntests: [{ threshold: 0.5, assert: [{ type: equals, value: a }] }]',
      /threshold/,
    ],
    ['an unknown key', 'prompts: [Hi there]\nredteam: {}', /redteam/],
  ])('refuses the loss of %s', async (_, text, why) => {
    const run = await importFiles('promptfoo', { 'promptfooconfig.yaml': text })
    expect(run).toMatchObject({ code: 3, error: { code: 'lossy_import' } })
    expect(run.error.message).toMatch(why)
  })

  it.each([
    ['two columns of one name', 'a,a\n1,2\n', /same name/],
    ['a line with too few fields', 'a,b\n1\n', /more.csv:2/],
    ['an open quote', 'a,b\n1,"2\n', /quote/],
    ['text behind a quote', 'a,b\n1,"2"3\n', /quote/],
  ])('refuses a CSV with %s', async (_, csv, why) => {
    const run = await importFiles('promptfoo', {
      'promptfooconfig.yaml': 'prompts: [Hi there]\ntests: more.csv',
      'more.csv': csv,
    })
    expect(run).toMatchObject({ code: 1, error: { code: 'malformed_file' } })
    expect(run.error.message).toMatch(why)
  })
})
