import { z } from 'zod'
import { type PromptContent, promptRoles } from '../domain/contents'
import { type ClassedChange, diffJson } from '../domain/diff'
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
  diff: (before, after) => [...variableChanges(before, after), ...diffJson(before, after, () => 'safe')],
  summarize(content) {
    const form = 'text' in content ? 'text' : `${content.messages.length} messages`
    return `${form}, variables: ${promptVariables(content).join(', ') || 'none'}`
  },
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
