import { contentsOf, importFiles, price } from '../../../support/import'

/** A body of `POST /v1/responses`, with the id and version that the dashboard gave it. */
const stored = {
  id: 'pmpt_68abc',
  name: 'Weather',
  version: '2',
  model: 'gpt-4.1',
  input: [
    {
      role: 'developer',
      content: [{ type: 'input_text', text: 'Tell the weather of {{city}} as JSON such as {{}}.' }],
    },
    { role: 'user', content: '{{question}}' },
  ],
  variables: { city: 'San Francisco' },
  temperature: 0.2,
  max_output_tokens: 500,
  tools: [
    {
      type: 'function',
      name: 'forecast',
      description: 'The forecast of a place',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  ],
  text: {
    format: {
      type: 'json_schema',
      name: 'weather_report',
      strict: true,
      schema: { type: 'object', properties: { degrees: { type: 'number' } }, required: ['degrees'] },
    },
  },
  store: true,
}

describe('import openai', () => {
  it('makes prompt, engine, tools and schema of a stored prompt', async () => {
    const run = await importFiles('openai', { 'weather.json': JSON.stringify(stored) }, { args: price })
    expect(run.err).toBe('')
    expect(contentsOf(run)).toEqual({
      'prompt/weather@2.0.0': {
        messages: [
          { role: 'system', content: 'Tell the weather of {{city}} as JSON such as \\{{}}.' },
          { role: 'user', content: '{{question}}' },
        ],
      },
      'engine/gpt-4.1@1.0.0': expect.objectContaining({
        model: 'gpt-4.1',
        parameters: { temperature: 0.2, maxOutputTokens: 500 },
      }),
      'tool/forecast@1.0.0': expect.objectContaining({ name: 'forecast' }),
      'schema/weather_report@1.0.0': stored.text.format.schema,
    })
    expect(run.answer).toMatchObject({ lost: [] })
    expect(run.answer.noted?.map(({ what }) => what)).toEqual(
      expect.arrayContaining([
        'the value of the variable city',
        'strict of the format weather_report',
        'the key store',
      ]),
    )
  })

  it('takes instructions as a system message before the input, and a lone text as a text', async () => {
    const lines = [
      { prompt: { id: 'pmpt_1', version: '1' }, instructions: 'Be kind.', input: '{{question}}' },
      { id: 'pmpt_2', input: 'Say {{word}}.' },
    ]
    const run = await importFiles('openai', { 'all.jsonl': lines.map((line) => JSON.stringify(line)).join('\n') })
    expect(contentsOf(run)).toEqual({
      'prompt/pmpt_1@1.0.0': {
        messages: [
          { role: 'system', content: 'Be kind.' },
          { role: 'user', content: '{{question}}' },
        ],
      },
      'prompt/pmpt_2@1.0.0': { text: 'Say {{word}}.' },
    })
  })

  it.each([
    ['a tool that is no function', { tools: [{ type: 'web_search' }] }, /web_search/],
    ['reasoning', { reasoning: { effort: 'high' } }, /reasoning/],
    ['a picture', { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }] }, /other than text/],
    ['an earlier call of a tool', { input: [{ type: 'function_call', name: 'x' }] }, /role undefined/],
    ['JSON without a schema', { text: { format: { type: 'json_object' } } }, /json_object/],
    [
      'a schema that never ends',
      { text: { format: { type: 'json_schema', name: 'x', schema: { type: 'string', pattern: '(a+)+$' } } } },
      /repeats a group/,
    ],
  ])('refuses the loss of %s', async (_, change, why) => {
    const run = await importFiles(
      'openai',
      { 'weather.json': JSON.stringify({ ...stored, ...change }) },
      { args: price },
    )
    expect(run).toMatchObject({ code: 3, error: { code: 'lossy_import' } })
    expect(run.error.message).toMatch(why)
  })
})
