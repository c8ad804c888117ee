import { contentsOf, importFiles, price } from '../../../support/import'

const greet = `---
model: googleai/gemini-2.0-flash
config:
  temperature: 0.9
  maxOutputTokens: 100
description: greets people
input:
  schema:
    name: string, who it is
    mood?: string
output:
  format: json
  schema:
    greeting: string, what is said
    tags?(array, of the person): string
    kind(enum): [warm, cold]
    inner(object):
      depth: integer
---
{{role "system"}}
You greet people{{mood}}.
{{role "user"}}
Greet {{name}}.
`

describe('import dotprompt', () => {
  it('makes the prompt, its engine and its schema; the path is the name', async () => {
    const run = await importFiles('dotprompt', { 'sales/greet.formal.prompt': greet }, { args: price })
    expect(run.err).toBe('')
    expect(contentsOf(run)).toEqual({
      'prompt/sales-greet.formal@1.0.0': {
        messages: [
          { role: 'system', content: 'You greet people{{mood}}.' },
          { role: 'user', content: 'Greet {{name}}.' },
        ],
      },
      'engine/gemini-2.0-flash@1.0.0': expect.objectContaining({
        endpoint: 'googleai',
        parameters: { temperature: 0.9, maxOutputTokens: 100 },
      }),
      'schema/sales-greet.formal@1.0.0': {
        type: 'object',
        properties: {
          greeting: { type: 'string', description: 'what is said' },
          tags: { type: ['array', 'null'], items: { type: 'string' }, description: 'of the person' },
          kind: { enum: ['warm', 'cold'] },
          inner: {
            type: 'object',
            properties: { depth: { type: 'integer' } },
            required: ['depth'],
            additionalProperties: false,
          },
        },
        required: ['greeting', 'kind', 'inner'],
        additionalProperties: false,
      },
    })
  })

  it('takes an output in JSON Schema as it is', async () => {
    const schema = 'output:\n  schema: { type: object, properties: { a: { type: string } } }'
    const run = await importFiles('dotprompt', { 'a.prompt': `---\n${schema}\n---\nHi` })
    expect(contentsOf(run)['schema/a@1.0.0']).toEqual({ type: 'object', properties: { a: { type: 'string' } } })
  })

  it.each([
    ['a block', '{{#if a}}b{{/if}}', '{{#if a}}'],
    ['a loop', '{{#each a}}b{{/each}}', '{{#each a}}'],
    ['a partial', '{{>header}}', '{{>header}}'],
    ['the history', '{{history}}', '{{history}}'],
    ['media', '{{media url=photo}}', '{{media url=photo}}'],
    ['the helper json', '{{json a}}', '{{json a}}'],
    ['a section', '{{section "code"}}', '{{section "code"}}'],
    ['a path', '{{user.name}}', '{{user.name}}'],
    ['a variable of the context', '{{@auth}}', '{{@auth}}'],
    ['an unknown role', '{{role "tool"}}x', '{{role "tool"}}'],
    ['a comment', '{{! no }}', '{{! no }}'],
    ['tools', '---\ntools: [find]\n---\nHi', 'the key tools'],
    ['defaults', '---\ninput: { default: { a: b } }\n---\n{{a}}', 'defaults'],
    ['a schema of a registry', '---\noutput: { schema: Report }\n---\nHi', 'Report is no type'],
    ['an output that is media', '---\noutput: { format: media }\n---\nHi', 'output format media'],
  ])('refuses %s by its name', async (_, text, named) => {
    const run = await importFiles('dotprompt', { 'a.prompt': text })
    expect(run).toMatchObject({ code: 3, error: { code: 'lossy_import' } })
    expect(run.error.message).toContain(named)
  })
})
