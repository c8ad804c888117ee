import { parseDotprompt } from '../../../src/cli/dotprompt'
import type { PromptContent } from '../../../src/domain/contents'
import { promptKind } from '../../../src/kinds/prompt'
import { promptVariables, renderPrompt, renderPrompts } from '../../../src/kinds/prompt-render'

describe('a prompt', () => {
  const chat = {
    messages: [
      { role: 'system' as const, content: 'You rate {{what}}.' },
      { role: 'user' as const, content: '<t>{{ transcript }}</t> \\{{literal}} {{what}}' },
    ],
  }

  it('names each variable once', () => {
    expect(promptVariables(chat)).toEqual(['transcript', 'what'])
  })

  it('inserts values as they are, whatever braces and dollars they hold', () => {
    const messages = renderPrompt(chat, { transcript: '{{what}} $& $1 \\{{', what: 7 })
    expect(messages.map((message) => message.content)).toEqual([
      'You rate 7.',
      '<t>{{what}} $& $1 \\{{</t> {{literal}} 7',
    ])
  })

  it('is one user message where it is a text', () => {
    expect(renderPrompt({ text: 'Hi' }, {})).toEqual([{ role: 'user', content: 'Hi' }])
  })

  it.each([
    [{ what: 'calls' }, 'missing: transcript'],
    [{ what: 'calls', transcript: 'x', tone: 'y' }, 'unknown: tone'],
    [{ what: 'calls', transcript: undefined }, 'missing: transcript'],
    [{ what: Number.NaN, transcript: 'x' }, 'unfit: what'],
    [{ what: {}, transcript: 'x' }, 'unfit: what'],
    [JSON.parse('{"__proto__": "x", "what": "y", "transcript": "z"}'), 'unknown: __proto__'],
  ])('refuses the values %j', (values, problem) => {
    expect(() => renderPrompt(chat, values as Record<string, string>)).toThrow(
      expect.objectContaining({ code: 'prompt_variables', message: expect.stringContaining(problem) }),
    )
  })

  it('does not take an inherited property for a value', () => {
    expect(() => renderPrompt({ text: '{{constructor}}' }, {})).toThrow('missing: constructor')
  })

  it.each(['{{#if a}}b{{/if}}', '{{>part}}', '{{a.b}}', '{{a', '{{}}', '{{a b}}'])(
    'refuses the template %s',
    (text) => {
      expect(promptKind.schema.safeParse({ text }).success).toBe(false)
    },
  )

  it('breaks by a variable more or less, and by nothing else', () => {
    const lookup = (digest: `sha256:${string}`) => digest
    const classes = (after: string) =>
      promptKind.diff({ text: 'Hi {{a}}' }, { text: after }, lookup).map((change) => `${change.class} ${change.text}`)
    expect(classes('Hello {{a}}')).toEqual(['safe text: "Hi {{a}}" → "Hello {{a}}"'])
    expect(classes('Hi')).toContain('breaking variable {{a}} removed')
    expect(classes('Hi {{a}} {{b}}')).toContain('breaking variable {{b}} added')
  })

  it('shows long texts line by line', () => {
    const lines = Array.from({ length: 40 }, (_, line) => `line ${line}`)
    const [change] = promptKind.diff(
      { text: lines.join('\n') },
      { text: lines.with(20, 'another').join('\n') },
      (digest) => digest,
    )
    expect(change?.text.split('\n')).toEqual([
      'text changed:',
      '  …',
      '  line 18',
      '  line 19',
      '- line 20',
      '+ another',
      '  line 21',
      '  line 22',
      '  …',
    ])
  })
})

describe('prompts that share their values', () => {
  const prompts = [{ text: 'Rate {{call}}' }, { text: 'Is {{call}} hard, for a {{tier}} customer?' }]

  it('each take the values that they name', () => {
    const rendered = renderPrompts(prompts, { call: 'x', tier: 'gold' })
    expect(rendered.map(([message]) => message?.content)).toEqual(['Rate x', 'Is x hard, for a gold customer?'])
  })

  it.each([
    [{ call: 'x' }, 'missing: tier'],
    [{ call: 'x', tier: 'y', tone: 'z' }, 'unknown: tone'],
  ])('together refuse the values %j', (values, problem) => {
    expect(() => renderPrompts(prompts, values)).toThrow(expect.objectContaining({ code: 'prompt_variables' }))
    expect(() => renderPrompts(prompts, values)).toThrow(problem)
  })
})

describe('the datasets of few-shot examples', () => {
  const digest = `sha256:${'a'.repeat(64)}` as const

  it('are references, and no part of what callers see', () => {
    const content = promptKind.schema.parse({ text: 'Hi {{name}}', fewShot: ['calls@1.0.0', digest] })
    expect(promptKind.references(content)).toEqual([
      { path: ['fewShot', '0'], kind: 'dataset', ref: 'calls@1.0.0' },
      { path: ['fewShot', '1'], kind: 'dataset', ref: digest },
    ])
    const plain = { text: 'Hi {{name}}' }
    expect(promptKind.diff(plain, { ...plain, fewShot: [digest] }, (one) => one)).toMatchObject([{ class: 'safe' }])
  })

  it.each([[[]], ['calls@1.0.0'], [['engine/small@1.0.0']]])('are not %j', (fewShot) => {
    expect(promptKind.schema.safeParse({ text: 'Hi', fewShot }).success).toBe(false)
  })
})

describe('a dotprompt file', () => {
  const read = (text: string) => parseDotprompt(text, 'a.prompt')

  it('is a text without role markers', () => {
    expect(read('---\ndescription: why\n---\nHi {{name}}\n')).toEqual({
      head: { description: 'why' },
      envelope: { description: 'why' },
      content: { text: 'Hi {{name}}' },
      notices: [],
    })
  })

  it('is a chat with them; what stands before the first is the user speaking', () => {
    const { content } = read('---\na: 1\n---\nFirst\n{{role "system"}}\nBe kind.\n{{role "model"}}\nYes?\n')
    expect(content).toEqual({
      messages: [
        { role: 'user', content: 'First' },
        { role: 'system', content: 'Be kind.' },
        { role: 'assistant', content: 'Yes?' },
      ],
    })
  })

  it('reads Windows line ends and comments before the front matter', () => {
    expect(read('# licence\r\n---\r\ndescription: why\r\n---\r\nHi').envelope).toEqual({ description: 'why' })
  })

  it('takes an escaped marker for text', () => {
    expect(read('---\na: 1\n---\nWrite \\{{role "user"}} here').content).toEqual({
      text: 'Write \\{{role "user"}} here',
    })
  })

  it('names the datasets of its examples in the front matter', () => {
    const { content, envelope } = read('---\ndescription: why\nfewShot: [calls@1.0.0]\n---\nHi')
    expect({ content, envelope }).toEqual({
      content: { text: 'Hi', fewShot: ['calls@1.0.0'] },
      envelope: { description: 'why' },
    })
  })

  it('says what belongs elsewhere', () => {
    expect(read('---\nmodel: m\nconfig: { temperature: 1 }\n---\nHi').notices).toEqual([
      'a.prompt: `model` is not part of a prompt; an engine holds it',
      'a.prompt: `config` is not part of a prompt; an engine holds it',
    ])
  })

  it.each([
    ['---\ndescription: [\n---\nHi', 'a.prompt:'],
    ['---\na: 1\n---\nHi\n{{#each x}}', 'a.prompt:5'],
    ['---\na: 1\n---\n{{role "judge"}}\nHi', 'a.prompt:4'],
    ['---\ninput: { schema: { name: string } }\n---\nHi {{other}}', 'name, other'],
    ['---\na: 1\n---\n{{role "system"}}\n\n{{ history }}', 'a.prompt:6'],
    ['---\ninput: { default: { name: x } }\n---\nHi {{name}}', 'defaults'],
  ])('refuses %j, naming the place', (text, place) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({ code: 'malformed_file', message: expect.stringContaining(place) }),
    )
  })
})

describe('the difference of two chats', () => {
  const itself = (digest: `sha256:${string}`) => digest
  const chat = (...messages: readonly (readonly ['system' | 'user', string])[]) => ({
    messages: messages.map(([role, content]) => ({ role, content })),
  })
  const texts = (before: PromptContent, after: PromptContent) =>
    promptKind.diff(before, after, itself).map(({ text }) => text)

  it('shows a message that comes in between as one', () => {
    const [before, after] = [chat(['system', 'A'], ['user', 'B']), chat(['system', 'A'], ['user', 'X'], ['user', 'B'])]
    expect(texts(before, after)).toEqual(['message 2 (user) added: {"role":"user","content":"X"}'])
    expect(texts(after, before)).toEqual(['message 2 (user) removed: {"role":"user","content":"X"}'])
  })

  it('shows the lines of a message that changed', () => {
    const long = (line: string) => chat(['system', `You review calls.\n${line}\nAnswer as JSON.`], ['user', 'B'])
    expect(texts(long('Be kind.'), long('Be strict.'))).toEqual([
      'message 1 (system) changed:\n  You review calls.\n- Be kind.\n+ Be strict.\n  Answer as JSON.',
    ])
  })
})
