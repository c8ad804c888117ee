import { contentsOf, importFiles, price } from '../../../support/import'

/** As `GET /api/public/v2/prompts/{name}?version={n}` answers. */
const text = {
  id: 'cm0',
  createdAt: '2026-01-05T10:00:00.000Z',
  updatedAt: '2026-01-05T10:00:00.000Z',
  projectId: 'p',
  createdBy: 'ann@acme.example',
  name: 'movie critic',
  version: 1,
  type: 'text',
  prompt: 'As a {{ criticLevel }} critic: {{movie}}? Answer as {"like": {{"x"}}}.',
  config: { model: 'gpt-4o', temperature: 0.5, max_tokens: 200 },
  labels: ['production', 'latest'],
  tags: ['movies'],
  commitMessage: 'first one',
}
const chat = {
  name: 'support',
  version: 3,
  type: 'chat',
  prompt: [
    { role: 'system', content: 'You help {{company}}.' },
    { type: 'chatmessage', role: 'user', content: '{{question}}' },
  ],
  config: {},
  labels: [],
  tags: [],
}

describe('import langfuse', () => {
  it('makes prompts under n.0.0, and engines of their configuration', async () => {
    const run = await importFiles('langfuse', { 'all.json': JSON.stringify([text, chat]) }, { args: price })
    expect(run.err).toBe('')
    expect(contentsOf(run)).toEqual({
      'prompt/movie-critic@1.0.0': {
        text: 'As a {{criticLevel}} critic: {{movie}}? Answer as {"like": \\{{"x"}}}.',
      },
      'prompt/support@3.0.0': {
        messages: [
          { role: 'system', content: 'You help {{company}}.' },
          { role: 'user', content: '{{question}}' },
        ],
      },
      'engine/gpt-4o@1.0.0': expect.objectContaining({
        endpoint: 'openai',
        model: 'gpt-4o',
        parameters: { temperature: 0.5, maxOutputTokens: 200 },
        pricePerMillion: { input: 2.5, cachedInput: 1.25, output: 10 },
      }),
    })
    const [prompt] = run.workspace?.artifacts.filter(({ name }) => name === 'movie-critic') ?? []
    expect(prompt).toMatchObject({
      description: 'first one',
      provenance: { author: 'ann@acme.example', labels: ['production', 'latest'], tags: ['movies'], version: 1 },
    })
    expect(run.answer.noted?.map(({ what }) => what)).toEqual(
      expect.arrayContaining(['the name movie critic', 'the labels production, latest', 'the provider openai']),
    )
  })

  it('keeps configurations of one model apart, and equal ones together', async () => {
    const versions = [0.5, 0.7, 0.5].map((temperature, place) => ({
      ...text,
      version: place + 1,
      config: { model: 'gpt-4o', temperature },
    }))
    const run = await importFiles('langfuse', { 'all.json': JSON.stringify({ data: versions }) }, { args: price })
    expect(Object.keys(contentsOf(run)).filter((ref) => ref.startsWith('engine/'))).toEqual([
      'engine/gpt-4o@1.0.0',
      'engine/gpt-4o@2.0.0',
    ])
  })

  it.each([
    ['an engine without a price', { ...text }, /price is in no file/],
    [
      'a setting that no engine holds',
      { ...chat, config: { model: 'm', reasoning_effort: 'high' } },
      /reasoning_effort/,
    ],
    ['settings without a model', { ...chat, config: { supported_languages: ['en'] } }, /supported_languages/],
    ['a reference to another prompt', { ...chat, prompt: 'x @@@langfusePrompt:name=a|version=1@@@' }, /another prompt/],
    ['a placeholder for messages', { ...chat, prompt: [{ type: 'placeholder', name: 'turns' }] }, /placeholder turns/],
    ['a variable behind a backslash', { ...chat, prompt: '\\{{x}}' }, /backslash/],
    [
      'a placeholder whose name is no text',
      { ...chat, prompt: [{ type: 'placeholder', name: { toString: null } }] },
      /placeholder \{"toString":null\}/,
    ],
    [
      'messages of a role that is no text',
      { ...chat, prompt: [{ role: { toString: null }, content: 'x' }] },
      /role \{"toString":null\}/,
    ],
    ['messages of tools', { ...chat, prompt: [{ role: 'tool', content: 'x' }] }, /role tool/],
  ])('refuses the loss of %s, and says it', async (_, prompt, why) => {
    const run = await importFiles('langfuse', { 'one.json': JSON.stringify([chat, { ...prompt, name: 'other' }]) })
    expect(run).toMatchObject({ code: 3, error: { code: 'lossy_import' }, files: {} })
    expect(run.error.message).toMatch(why)
    const lossy = await importFiles(
      'langfuse',
      { 'one.json': JSON.stringify([chat, { ...prompt, name: 'other' }]) },
      { args: ['--lossy'] },
    )
    expect(lossy.code).toBe(0)
    expect(lossy.answer.made).toContain('prompt/support@3.0.0')
    expect(lossy.answer.lost).toEqual(run.error.details?.lost)
  })

  it.each([
    [
      'a list of prompts without their text',
      { data: [{ name: 'a', versions: [1, 2], labels: [], tags: [] }], meta: {} },
      /fetch each/,
    ],
    ['no prompt', [1], /no prompt of Langfuse/],
    ['a version that is no number', { ...chat, version: 'v1' }, /no number/],
    ['one version twice', [chat, { ...chat, prompt: 'other' }], /twice/],
  ])('refuses %s', async (_, value, why) => {
    const run = await importFiles('langfuse', { 'one.json': JSON.stringify(value) }, { args: ['--lossy'] })
    expect(run).toMatchObject({ code: 1, error: { code: 'malformed_file' } })
    expect(run.error.message).toMatch(why)
  })
})
