import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import type { Audience, NoteInput } from '../../src/domain/note-input'
import { maxTextCharacters } from '../../src/domain/note-markup'
import { maxChangesShown, noteText, renderNote } from '../../src/domain/notes'
import { runs } from '../support/effort'

const golden = (name: string): string => readFileSync(join(__dirname, 'golden', `${name}.txt`), 'utf8')

const release: NoteInput = {
  kind: 'release',
  release: {
    id: '01JZ8Y3T9M4QF2V7C1XW5R0KBA',
    task: 'csat-scoring',
    why: 'CSAT was too generous on transferred calls',
    expect: 'mean CSAT down about 0.2; recalibrate alert thresholds',
  },
  change: [
    {
      role: 'prompt',
      from: 'prompt/csat@1.1.0',
      to: 'prompt/csat@1.2.0',
      changes: [
        {
          path: '/text',
          change: 'changed',
          before: 'Score the call.',
          after: 'Score the call from 1 to 5.',
          text: 'text changed:\n- Score the call.\n+ Score the call from 1 to 5.',
        },
        { path: '/temperature', change: 'added', after: 0, text: 'temperature added: 0' },
      ],
    },
  ],
  changeClass: 'shifting',
  shifts: [
    { name: 'accuracy of resolved', before: 0.69, after: 0.745, unit: 'share' },
    { name: 'mean csat', before: 3.9, after: 3.7, unit: 'score' },
    { name: 'cost per request', before: 0.0021, after: 0.0022, unit: 'usd' },
    { name: 'output tokens', before: 80, after: 80, unit: 'tokens' },
    { name: 'latency p95', after: 840, unit: 'ms' },
  ],
  audience: { kind: 'affected' },
  tenant: { id: 'acme' },
}

const retraction: NoteInput = { ...release, kind: 'retraction', rollbackReason: 'error rate 2.3 times the incumbent' }

const audiences: readonly Audience[] = [
  { kind: 'affected' },
  { kind: 'pilot' },
  { kind: 'opted_out' },
  {
    kind: 'overridden',
    drift: [
      { role: 'prompt', own: 'prompt/csat-acme@1.0.0', base: 'prompt/csat@1.0.0', now: 'prompt/csat@1.2.0' },
      { role: 'filter', own: 'filter/acme@1.0.0', base: 'filter/all@1.0.0', now: 'filter/all@1.0.0' },
    ],
  },
]

describe('a note', () => {
  it.each(['md', 'html', 'json'] as const)('reads as agreed in %s', (format) => {
    expect(noteText(renderNote(release), format)).toBe(golden(`note.${format}`))
  })

  it.each(audiences)('tells $kind where it stands', (audience) => {
    const { markdown } = renderNote({ ...release, audience })
    expect(markdown).toBe(golden(`note-${audience.kind}.md`))
  })

  it('of a rollback says that the change is gone, why, and what to undo', () => {
    expect(renderNote(retraction).markdown).toBe(golden('retraction.md'))
  })

  it('of a rollback says what the tenant must do itself where its own version holds what was taken back', () => {
    const held = [{ role: 'prompt', own: 'prompt/csat@1.2.0' }]
    expect(renderNote({ ...retraction, held }).markdown).toBe(golden('retraction-held.md'))
  })

  it('asks nothing of a tenant that does not get the change', () => {
    for (const audience of audiences.slice(2)) expect(renderNote({ ...release, audience }).data.actions).toEqual([])
  })

  it('asks to revalidate after a breaking change and nothing after one that moved no output', () => {
    const actions = (input: Partial<NoteInput>) => renderNote({ ...release, ...input }).data.actions
    expect(actions({ changeClass: 'breaking' })[0]).toMatch(/^Revalidate/)
    const cheaper = [{ name: 'cost', before: 2, after: 1, unit: 'usd' }] as const
    expect(actions({ changeClass: 'safe', shifts: cheaper })).toEqual([])
    expect(actions({ changeClass: 'safe' })[0]).toMatch(/^Recalibrate/)
  })

  it('shows a bounded number of differences and counts the rest', () => {
    const changes = Array.from({ length: maxChangesShown + 3 }, (_, at) => ({
      path: `/${at}`,
      change: 'added' as const,
      text: `line ${at}`,
    }))
    const note = renderNote({ ...release, change: [{ role: 'prompt', to: 'prompt/csat@1.2.0', changes }] })
    expect(note.markdown).toContain('and 3 more differences')
    expect(note.markdown).not.toContain(`line ${maxChangesShown}`)
    expect(note.data.change[0]?.changes).toHaveLength(maxChangesShown)
  })

  it('never shows a number that is none', () => {
    const shifts = [
      { name: 'broken', before: Number.NaN, after: Number.POSITIVE_INFINITY, unit: 'usd' },
      { name: 'from nothing', before: 0, after: 3, unit: 'tokens' },
      { name: 'a hair', before: 3.9, after: 3.899999, unit: 'score' },
    ] as const
    const { markdown } = renderNote({ ...release, shifts })
    expect(markdown).not.toMatch(/NaN|Infinity|-0\.00/)
    expect(markdown).toContain('| a hair | 3.90 | 3.90 | 0.00 |')
  })
})

/** Text that tries to become more than text, in HTML and in Markdown. */
const hostile = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '[click](javascript:alert(1))',
  '![pixel](https://evil.example/p.gif)',
  '</code></pre><b>bold</b>',
  '` `` ``` ```` ~~~',
  'a | b | c',
  'https://evil.example and www.evil.example and ann@evil.example',
  'see _www.evil.example/x, *WWW.evil.example and éwww.evil.example',
  '\n# heading\n- list\n| --- |',
  '# heading',
  '1. list',
  '&lt;b&gt; &#60;',
  '\u202Eesrever\u0000\u200B',
  '**bold** _it_ ~~gone~~',
]

function withText(text: string, kind: NoteInput['kind'], audience: Audience['kind']): NoteInput {
  const drift = [{ role: text, own: text, base: text, now: `${text}!` }]
  return {
    ...release,
    kind,
    release: { id: text, task: text, why: text, expect: text },
    change: [
      {
        role: text,
        from: text,
        to: text,
        changes: [{ path: text, change: 'changed', text: `${text}\n${text}` }],
      },
    ],
    shifts: [{ name: text, before: 1, after: 2, unit: 'score' }],
    audience: audience === 'overridden' ? { kind: audience, drift } : { kind: audience },
    tenant: { id: text },
    rollbackReason: text,
    ...(kind === 'retraction' && audience === 'pilot' ? { held: [{ role: text, own: text }] } : {}),
  }
}

const allowedTags =
  /^<(\/?(html|head|title|body|h1|h2|p|ul|li|table|thead|tbody|tr|th|td|pre|code)|!doctype html|html lang="en"|meta charset="utf-8")>$/

/** The document as tags and the texts between them. */
const tagsOf = (html: string): readonly string[] => html.match(/<[^>]*>?/g) ?? []

/** The lines of a Markdown text outside its fenced blocks, without code spans. */
function proseOf(markdown: string): readonly string[] {
  let fence: string | undefined
  const lines: string[] = []
  for (const line of markdown.split('\n')) {
    const mark = /^\s*(`{3,})/.exec(line)?.[1]
    if (fence === undefined && mark !== undefined) fence = mark
    else if (fence !== undefined && line.trim() === fence) fence = undefined
    else if (fence === undefined) lines.push(line.replace(/(?<![\\`])(`+)(?!`).*?(?<!`)\1(?!`)/g, 'CODE'))
  }
  expect(fence).toBeUndefined()
  return lines
}

function expectHarmless(input: NoteInput): void {
  const { html, markdown, subject } = renderNote(input)
  for (const tag of tagsOf(html)) expect(tag).toMatch(allowedTags)
  for (const hidden of ['\u0000', '\u202e', '\u200b']) expect(html).not.toContain(hidden)
  for (const line of proseOf(markdown)) {
    expect(line.replace(/\\./g, '')).not.toMatch(/[<>*_[\]]|:\/\/|www\.|\S@\S|&/)
    if (line.startsWith('|')) expect(line.replace(/\\./g, '').match(/\|/g)).toHaveLength(5)
    expect(line).not.toMatch(/^(#{3,}|\d+[.)]) /)
  }
  expect(proseOf(markdown).filter((line) => /^# /.test(line))).toHaveLength(1)
  expect(subject).not.toMatch(/[\r\n]/)
}

describe('text from people stays text', () => {
  const kinds = ['release', 'retraction'] as const
  it.each(hostile)('%j', (text) => {
    for (const kind of kinds) for (const { kind: audience } of audiences) expectHarmless(withText(text, kind, audience))
  })

  it('whatever it is', () => {
    const piece = fc.oneof(fc.constantFrom(...hostile), fc.string({ unit: 'binary' }), fc.string())
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 4 }), fc.constantFrom(...kinds), (pieces, kind) => {
        expectHarmless(withText(pieces.join(' '), kind, 'overridden'))
      }),
      { numRuns: runs(300) },
    )
  })

  it('and keeps every character of it', () => {
    const { html } = renderNote({ ...release, release: { ...release.release, why: `<"it's" & more>` } })
    expect(html).toContain('<p>&lt;&quot;it&#39;s&quot; &amp; more&gt;</p>')
  })

  it('and is cut where it is endless', () => {
    const { markdown } = renderNote(withText('x'.repeat(1_000_000), 'release', 'affected'))
    expect(markdown.length).toBeLessThan(20 * maxTextCharacters)
  })
})
