import { roleOfKind, rolesOfKind, type ServedComposite } from '../domain/composite'
import type { SuiteCase, SuiteContent } from '../domain/contents'
import { isRecord, own } from '../domain/diff'
import type { PostprocessContent } from '../domain/pipeline-contents'
import type { Policy } from '../domain/policy'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { Attributes } from '../kinds/filter-accepts'
import type { PromptValue } from '../kinds/prompt-render'
import { type Pipeline, type PipelineRequest, pipelineOf, pipelineVariables, renderRequest } from '../pipeline/pipeline'
import type { Catalog } from './catalog'
import { type Judges, loadJudges } from './evaluation-judges'

/** Cases of one suite that are run; a larger suite is refused rather than cut. */
export const maxCases = 20_000
/** Cases in memory at once, with their results: a page. */
const pageCases = 64
/** A cursor that nobody asked for so long is closed by the database; reading then goes on from the same place. */
const cursorNotFound = 43

/** A suite that was read through once: every row is a case. The cases themselves stay in the store. */
export interface LoadedSuite {
  readonly digest: Digest
  readonly content: SuiteContent
  readonly judges: Judges
  /** Root of the dataset's rows. */
  readonly root: Digest
  readonly cases: number
  readonly groups: number
}

/** A composite as a suite calls it: in the way that applications do. */
export interface Callable {
  readonly composite: Digest
  readonly pipeline: Pipeline
}

/** A case as it goes out. */
export interface CaseRequest extends PipelineRequest {
  /** What the rules of a router read; empty where there are none. */
  readonly attributes: Attributes
}

export type EvaluationCatalog = Pick<Catalog, 'byDigest' | 'rows' | 'composite'>

/** Throws unknown_ref, or invalid_content where a row is no case. */
export async function loadSuite(catalog: EvaluationCatalog, digest: Digest): Promise<LoadedSuite> {
  const content = (await catalog.byDigest('suite', digest)).content as SuiteContent
  const dataset = (await catalog.byDigest('dataset', content.dataset)).content as { readonly root: Digest }
  const ids = new Set<string>()
  const groups = new Set<string>()
  for await (const { id, group } of casesOf(catalog, dataset.root)) {
    if (ids.has(id)) throw invalidSuite(`two cases have the id ${id}`)
    if (ids.size >= maxCases) throw invalidSuite(`it has more than ${maxCases} cases`)
    ids.add(id)
    groups.add(group)
  }
  if (ids.size === 0) throw invalidSuite('it has no cases')
  const judges = await loadJudges(catalog, content)
  return { digest, content, judges, root: dataset.root, cases: ids.size, groups: groups.size }
}

/** Every case, a page at a time, always in the same order. */
export async function* casePages(
  catalog: EvaluationCatalog,
  { root }: Pick<LoadedSuite, 'root'>,
): AsyncGenerator<readonly SuiteCase[]> {
  let page: SuiteCase[] = []
  for await (const one of casesOf(catalog, root)) {
    page.push(one)
    if (page.length < pageCases) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}

/** The first cases of the order that `casePages` keeps. */
export async function firstCases(
  catalog: EvaluationCatalog,
  suite: Pick<LoadedSuite, 'root'>,
  count: number,
): Promise<readonly SuiteCase[]> {
  const cases: SuiteCase[] = []
  if (count <= 0) return cases
  for await (const one of casesOf(catalog, suite.root)) {
    cases.push(one)
    if (cases.length >= count) break
  }
  return cases
}

async function* casesOf(catalog: EvaluationCatalog, root: Digest): AsyncGenerator<SuiteCase> {
  let read = 0
  for (;;) {
    const before = read
    try {
      let place = 0
      for await (const { row } of catalog.rows(root)) {
        place += 1
        if (place <= read) continue
        read = place
        yield readCase(row)
      }
      return
    } catch (error) {
      if ((error as { code?: unknown }).code !== cursorNotFound || read === before) throw error
    }
  }
}

const invalidSuite = (problem: string): SluiceError =>
  new SluiceError('invalid_content', `The suite cannot be run: ${problem}.`)

/** A row without group is a group of its own. Throws invalid_content. */
export function readCase(row: unknown): SuiteCase {
  if (!isRecord(row) || typeof row.id !== 'string' || row.id === '') throw invalidSuite('a row has no id')
  const { id, group = id, input, expected = {} } = row
  if (typeof group !== 'string') throw invalidSuite(`the group of ${id} is no text`)
  if (!isRecord(input)) throw invalidSuite(`${id} has no input`)
  if (!isRecord(expected)) throw invalidSuite(`what ${id} expects is no object`)
  return { id, group, input, expected }
}

export async function loadPolicy(catalog: EvaluationCatalog, digest: Digest): Promise<Policy> {
  return (await catalog.byDigest('policy', digest)).content as Policy
}

/** Throws not_found, or invalid_content where the composite has not all that a suite needs to call it. */
export async function loadCallable(catalog: Pick<EvaluationCatalog, 'composite'>, id: Digest): Promise<Callable> {
  const composite = await catalog.composite(id)
  requireParts(composite)
  return { composite: id, pipeline: pipelineOf(composite) }
}

function requireParts(composite: ServedComposite): void {
  const { id, contents } = composite
  const isCallable = (['router', 'engine'] as const).some((kind) => roleOfKind(composite, kind) !== undefined)
  if (!isCallable || roleOfKind(composite, 'prompt') === undefined) {
    const text = `The composite ${id} has no ${isCallable ? 'prompt' : 'engine'}, so a suite cannot call it.`
    throw new SluiceError('invalid_content', text, { id })
  }
  const roles = rolesOfKind(composite, 'postprocess').filter((role) => 'code' in (contents[role] as PostprocessContent))
  if (roles.length === 0) return
  const text = `The composite ${id} post-processes by code that applications bring (${roles.join(', ')}), which is not here: declare it in steps.`
  throw new SluiceError('invalid_content', text, { id, roles })
}

/**
 * The request of one case: each variable of the prompts takes the input of the suite's mapping or of its own name, and
 * the rules of a router read `attributes` of the input. Throws prompt_variables, and invalid_content for attributes that
 * are none.
 */
export function requestOf(pipeline: Pipeline, suite: SuiteContent, one: Pick<SuiteCase, 'id' | 'input'>): CaseRequest {
  const values: [string, PromptValue][] = []
  for (const variable of pipelineVariables(pipeline)) {
    const value = own(one.input, (own(suite.inputs, variable) as string | undefined) ?? variable)
    if (value !== undefined) values.push([variable, value as PromptValue])
  }
  const rules = 'engines' in pipeline.engine ? pipeline.engine.content.rules : []
  const request = renderRequest(pipeline, Object.fromEntries(values))
  return { ...request, attributes: rules.length === 0 ? {} : attributesOf(one) }
}

/** Without attributes no rule holds. */
function attributesOf({ id, input }: Pick<SuiteCase, 'id' | 'input'>): Attributes {
  const attributes = own(input, 'attributes') ?? {}
  if (isRecord(attributes) && Object.values(attributes).every(isAttribute)) return attributes as Attributes
  throw invalidSuite(`the attributes of ${id} are no object of texts, numbers and booleans`)
}

const isAttribute = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value)
