import { contentsOf, importFiles, rowsOf } from '../../../support/import'

const samples = [
  ['Paris', 'capital of France'],
  ['Rome', 'capital of Italy'],
].map(([ideal, asked]) => ({
  input: [
    { role: 'system', content: 'Answer with {{one}} word.' },
    { role: 'user', content: `What is the ${asked}?` },
  ],
  ideal,
}))
const jsonl = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')
const registry = `capitals:
  id: capitals.dev.v0
  description: Capitals of countries
  metrics: [accuracy]
capitals.dev.v0:
  class: evals.elsuite.basic.includes:Includes
  args:
    samples_jsonl: capitals/samples.jsonl
`

describe('import openai-evals', () => {
  it('makes prompt, dataset and suite: what all samples share is the prompt', async () => {
    const run = await importFiles('openai-evals', {
      'evals/capitals.yaml': registry,
      'data/capitals/samples.jsonl': jsonl(samples),
    })
    expect(run.err).toBe('')
    expect(contentsOf(run)).toMatchObject({
      'prompt/capitals@1.0.0': {
        messages: [
          { role: 'system', content: 'Answer with \\{{one}} word.' },
          { role: 'user', content: '{{input}}' },
        ],
      },
      'suite/capitals@1.0.0': {
        dataset: 'capitals@1.0.0',
        scorers: [{ name: 'checks', scorer: 'checks', gate: true }],
      },
    })
    expect(rowsOf(run)).toEqual([
      {
        id: '1',
        group: '1',
        input: { input: 'What is the capital of France?' },
        expected: { checks: [{ check: 'contains-any', value: ['Paris'] }] },
      },
      expect.objectContaining({ id: '2' }),
    ])
  })

  it('scores samples alone as Match, and says so', async () => {
    const run = await importFiles(
      'openai-evals',
      {
        'qa.jsonl': jsonl([
          { input: 'Q1', ideal: ['a', 'b'] },
          { input: 'Q2', ideal: 'c' },
        ]),
      },
      { path: 'qa.jsonl' },
    )
    expect(rowsOf(run).map((row) => row.expected)).toEqual([
      { checks: [{ check: 'starts-with', value: ['a', 'b'] }] },
      { checks: [{ check: 'starts-with', value: ['c'] }] },
    ])
    expect(run.answer.noted?.map(({ what }) => what)).toContain('how it is scored')
  })

  it.each([
    ['another conversation', [...samples, { input: 'Q', ideal: 'a' }], {}, /its messages are user, not system, user/],
    ['an ideal that is no text', [...samples, { ...samples[0], ideal: { a: 1 } }], {}, /ideal is no text/],
    [
      'names of messages',
      [{ input: [{ role: 'system', name: 'example_user', content: 'x' }], ideal: 'y' }, ...samples],
      {},
      /has name/,
    ],
    [
      'a class of its own',
      samples,
      { 'evals/x.yaml': registry.replace('includes:Includes', 'fuzzy_match:FuzzyMatch') },
      /FuzzyMatch/,
    ],
    ['few shots', samples, { 'evals/x.yaml': `${registry}    num_few_shot: 4\n` }, /num_few_shot/],
  ])('refuses the loss of %s', async (_, rows, files, why) => {
    const run = await importFiles('openai-evals', { 'data/capitals/samples.jsonl': jsonl(rows), ...files })
    expect(run).toMatchObject({ code: 3, error: { code: 'lossy_import' } })
    expect(run.error.message).toMatch(why)
  })

  it('names samples that are not there', async () => {
    const run = await importFiles('openai-evals', { 'capitals.yaml': registry })
    expect(run).toMatchObject({ code: 1, error: { code: 'malformed_file' } })
    expect(run.error.message).toMatch(/capitals\/samples.jsonl/)
  })
})
