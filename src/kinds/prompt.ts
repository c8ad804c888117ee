import { z } from 'zod'
import { type PromptContent, type PromptMessage, promptRoles } from '../domain/contents'
import { type ClassedChange, describeChange, diffJson, sameJson } from '../domain/diff'
import { type Kind, refSchema } from './kind'
import { promptVariables } from './prompt-render'
import { parseTemplate, TemplateFault } from './prompt-template'

const maxTemplateLength = 500_000
const maxMessages = 64
const maxVariables = 100
const maxDatasets = 50

const templateSchema = z
  .string()
  .min(1)
  .max(maxTemplateLength)
  .superRefine((template, context) => {
    try {
      parseTemplate(template)
    } catch (error) {
      if (!(error instanceof TemplateFault)) throw error
      const line = template.slice(0, error.offset).split('\n').length
      context.addIssue({ code: 'custom', message: `line ${line}: ${error.message}` })
    }
  })

const fewShot = z.array(refSchema('dataset')).min(1).max(maxDatasets).exactOptional()

const promptSchema = z.union([
  z.strictObject({ text: templateSchema, fewShot }),
  z.strictObject({
    messages: z
      .array(z.strictObject({ role: z.enum(promptRoles), content: templateSchema }))
      .min(1)
      .max(maxMessages),
    fewShot,
  }),
])

type PromptDraft = z.infer<typeof promptSchema>

export const promptKind: Kind<PromptContent, PromptDraft> = {
  name: 'prompt',
  folder: 'prompts',
  changeType: 'configuration',
  schema: promptSchema.refine((content) => promptVariables(content).length <= maxVariables, {
    message: `has more than ${maxVariables} variables`,
    when: ({ issues }) => issues.length === 0,
  }),
  references: ({ fewShot: datasets = [] }) =>
    datasets.map((ref, place) => ({ path: ['fewShot', `${place}`], kind: 'dataset', ref })),
  interfaceOf: (content) => ({ variables: promptVariables(content) }),
  diff: (before, after) => [...variableChanges(before, after), ...textChanges(before, after)],
  summarize(content) {
    const form = 'text' in content ? 'text' : `${content.messages.length} messages`
    return `${form}, variables: ${promptVariables(content).join(', ') || 'none'}`
  },
}

/** Message by message, each line by line; the rest as it stands. */
function textChanges(before: PromptContent, after: PromptContent): readonly ClassedChange[] {
  if (!('messages' in before) || !('messages' in after)) return diffJson(before, after, () => 'safe')
  const { messages: old, ...rest } = before
  const { messages: now, ...others } = after
  return [...messageChanges(old, now), ...diffJson(rest, others, () => 'safe')]
}

/** Messages that stayed at the beginning and the end are set aside, so that one that comes in between shows as one. */
function messageChanges(before: readonly PromptMessage[], after: readonly PromptMessage[]): readonly ClassedChange[] {
  const head = countSame(before, after)
  const tail = countSame(before.slice(head).reverse(), after.slice(head).reverse())
  const [old, now] = [before.slice(head, before.length - tail), after.slice(head, after.length - tail)]
  return Array.from({ length: Math.max(old.length, now.length) }, (_, place): ClassedChange | undefined => {
    const [was, is] = [old[place], now[place]]
    if (was !== undefined && is !== undefined && sameJson(was, is)) return undefined
    const number = head + place
    const name = `message ${number + 1} (${(is ?? was)?.role})`
    const isSameRole = was !== undefined && is !== undefined && was.role === is.role
    const values = isSameRole ? [was.content, is.content] : [was, is]
    return { ...describeChange(`/messages/${number}`, values[0], values[1], name), class: 'safe' }
  }).filter((change) => change !== undefined)
}

function countSame(a: readonly unknown[], b: readonly unknown[]): number {
  let count = 0
  while (count < a.length && count < b.length && sameJson(a[count], b[count])) count += 1
  return count
}

/** Applications give exactly the variables a prompt names, so one more or one less breaks them. */
function variableChanges(before: PromptContent, after: PromptContent): readonly ClassedChange[] {
  const old = promptVariables(before)
  const now = promptVariables(after)
  const gone = old.filter((name) => !now.includes(name))
  const fresh = now.filter((name) => !old.includes(name))
  return [...gone.map((name) => variableChange('removed', name)), ...fresh.map((name) => variableChange('added', name))]
}

const variableChange = (change: 'added' | 'removed', name: string): ClassedChange => ({
  path: `variables/${name}`,
  change,
  text: `variable {{${name}}} ${change}`,
  class: 'breaking',
})
