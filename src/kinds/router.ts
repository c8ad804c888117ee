import { z } from 'zod'
import { type ClassedChange, describeChange, diffJson, sameJson } from '../domain/diff'
import type { RouterContent } from '../domain/pipeline-contents'
import { conditionText } from './condition-text'
import { attributeChanges, boundedCondition } from './filter'
import { conditionAttributes } from './filter-accepts'
import { type InterfaceLookup, type Kind, keySchema, nameSchema, type Reference, refSchema } from './kind'

const maxCandidates = 50
const maxRules = 200
const maxLabels = 200

const routerSchema = z
  .strictObject({
    candidates: z.record(nameSchema, refSchema('engine')).refine((named) => {
      const count = Object.keys(named).length
      return count >= 1 && count <= maxCandidates
    }, `names at least one candidate and at most ${maxCandidates}`),
    rules: z
      .array(z.strictObject({ when: boundedCondition, use: nameSchema }))
      .max(maxRules)
      .default([]),
    classifier: z
      .strictObject({
        engine: refSchema('engine'),
        prompt: refSchema('prompt'),
        labels: z.record(keySchema, nameSchema).refine((labels) => {
          const count = Object.keys(labels).length
          return count >= 1 && count <= maxLabels
        }, `has at least one label and at most ${maxLabels}`),
        minConfidence: z.number().min(0).max(1).exactOptional(),
        onFailure: nameSchema,
      })
      .exactOptional(),
    default: nameSchema,
    fallbacks: z.array(nameSchema).max(maxCandidates).default([]),
  })
  .superRefine((router, context) => {
    const refuse = (path: readonly (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path: [...path], message })
    for (const { path, name } of namedCandidates(router)) {
      if (!Object.hasOwn(router.candidates, name)) refuse(path, `${name} is none of the candidates`)
    }
    if (new Set(router.fallbacks).size < router.fallbacks.length) refuse(['fallbacks'], 'names a candidate twice')
  })

type RouterDraft = z.infer<typeof routerSchema>
type Named = { readonly path: readonly (string | number)[]; readonly name: string }

/** Everywhere a candidate is named. */
function namedCandidates({ rules, classifier, fallbacks, default: standard }: RouterDraft): readonly Named[] {
  return [
    ...rules.map(({ use }, place) => ({ path: ['rules', place, 'use'], name: use })),
    ...Object.entries(classifier?.labels ?? {}).map(([label, name]) => ({
      path: ['classifier', 'labels', label],
      name,
    })),
    ...(classifier === undefined ? [] : [{ path: ['classifier', 'onFailure'], name: classifier.onFailure }]),
    { path: ['default'], name: standard },
    ...fallbacks.map((name, place) => ({ path: ['fallbacks', place], name })),
  ]
}

/** Which engine answers a request. Applications give the attributes that its rules read. */
export const routerKind: Kind<RouterContent, RouterDraft> = {
  name: 'router',
  folder: 'routers',
  changeType: 'engine',
  schema: routerSchema,
  references,
  interfaceOf: (content, lookup) => ({
    attributes: routerAttributes(content),
    engines: protocols(content, lookup),
    ...(content.classifier === undefined ? {} : { prompt: lookup(content.classifier.prompt) }),
  }),
  diff(before, after, lookup) {
    const { rules: old, ...rest } = before
    const { rules: now, ...others } = after
    return [
      ...attributeChanges(routerAttributes(before), routerAttributes(after)),
      ...protocolChanges(protocols(before, lookup), protocols(after, lookup)),
      ...promptChanges(before, after, lookup),
      ...ruleChanges(old, now),
      ...diffJson(rest, others, () => 'safe'),
    ]
  },
  summarize({ candidates, rules, classifier, default: standard }) {
    const asked = classifier === undefined ? '' : ', a classifier'
    const text = `${Object.keys(candidates).sort().join(', ')} by ${rules.length} rules${asked}, else ${standard}`
    return text.slice(0, maxSummary)
  },
}

const maxSummary = 300

const routerAttributes = ({ rules }: RouterContent): readonly string[] =>
  conditionAttributes(rules.map(({ when }) => when))

function references({ candidates, classifier }: RouterDraft): readonly Reference[] {
  const engines = Object.entries(candidates).map(
    ([name, ref]): Reference => ({ path: ['candidates', name], kind: 'engine', ref }),
  )
  if (classifier === undefined) return engines
  return [
    ...engines,
    { path: ['classifier', 'engine'], kind: 'engine', ref: classifier.engine },
    { path: ['classifier', 'prompt'], kind: 'prompt', ref: classifier.prompt },
  ]
}

/** The interfaces of all engines that may be called, sorted, each once. */
function protocols({ candidates, classifier }: RouterContent, lookup: InterfaceLookup): readonly string[] {
  const engines = [...Object.values(candidates), ...(classifier === undefined ? [] : [classifier.engine])]
  return [...new Set(engines.map(lookup))].sort()
}

function protocolChanges(before: readonly string[], after: readonly string[]): readonly ClassedChange[] {
  if (after.every((protocol) => before.includes(protocol))) return []
  const text = 'calls an engine of a protocol that it did not call before'
  return [{ path: 'protocols', change: 'changed', text, class: 'breaking' }]
}

/** Applications give the variables of the classifier's prompt as well. */
function promptChanges(before: RouterContent, after: RouterContent, lookup: InterfaceLookup): readonly ClassedChange[] {
  const [old, now] = [before, after].map(({ classifier }) => classifier && lookup(classifier.prompt))
  if (old === now) return []
  const text = 'the classifier takes other variables'
  return [{ path: 'classifier/variables', change: 'changed', text, class: 'breaking' }]
}

/** Rules as lines, so that one that comes in between shows as one line. */
function ruleChanges(before: RouterContent['rules'], after: RouterContent['rules']): readonly ClassedChange[] {
  if (sameJson(before, after)) return []
  const lines = (rules: RouterContent['rules']) =>
    rules.map(({ when, use }) => `${conditionText(when)} → ${use}`).join('\n')
  return [{ ...describeChange('/rules', lines(before), lines(after)), before, after, class: 'safe' }]
}
