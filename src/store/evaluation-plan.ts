import { rolesOfKind, type ServedComposite } from '../domain/composite'
import type {
  EngineContent,
  PromptContent,
  PromptMessage,
  SchemaContent,
  SuiteCase,
  SuiteContent,
} from '../domain/contents'
import type { Policy } from '../domain/policy'
import type { Digest, KindName } from '../domain/version'
import { SluiceError } from '../errors'
import { type PromptValue, promptVariables, renderPrompt } from '../kinds/prompt-render'
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

/** The parts of a composite that a call needs. */
export interface Callable {
  readonly composite: Digest
  readonly engine: EngineContent
  readonly prompt: PromptContent
  readonly schema?: SchemaContent
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

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

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

/** Parts of an answer that a suite does not go through: a score without them would be of something else. */
const unscoredKinds: readonly KindName[] = ['router', 'tool', 'postprocess']

/** Throws not_found, or invalid_content where the composite is not called by one prompt and one engine alone. */
export async function loadCallable(catalog: EvaluationCatalog, id: Digest): Promise<Callable> {
  const composite = await catalog.composite(id)
  const unscored = unscoredKinds.flatMap((kind) => rolesOfKind(composite, kind))
  if (unscored.length > 0) {
    const text = `The composite ${id} answers through ${unscored.join(', ')}, which suites do not run.`
    throw new SluiceError('invalid_content', text, { id, roles: unscored })
  }
  const engine = contentOf(composite, 'engine') as EngineContent | undefined
  const prompt = contentOf(composite, 'prompt') as PromptContent | undefined
  const schema = contentOf(composite, 'schema') as SchemaContent | undefined
  if (!engine || !prompt) {
    const missing = engine ? 'prompt' : 'engine'
    throw new SluiceError('invalid_content', `The composite ${id} has no ${missing}, so a suite cannot call it.`, {
      id,
    })
  }
  return { composite: id, engine, prompt, ...(schema ? { schema } : {}) }
}

/** The role named after the kind, else the only role of that kind. */
function contentOf(composite: ServedComposite, kind: KindName): unknown {
  if (composite.roles[kind]?.kind === kind) return composite.contents[kind]
  const roles = Object.entries(composite.roles).filter(([, pin]) => pin.kind === kind)
  const [only] = roles
  return only && roles.length === 1 ? composite.contents[only[0]] : undefined
}

/** The messages of one case: each variable of the prompt takes the input of the suite's mapping or of its own name. */
export function messagesOf(
  prompt: PromptContent,
  suite: SuiteContent,
  input: SuiteCase['input'],
): readonly PromptMessage[] {
  const values: Record<string, PromptValue> = {}
  for (const variable of promptVariables(prompt)) {
    const value = input[suite.inputs[variable] ?? variable]
    if (value !== undefined) values[variable] = value as PromptValue
  }
  return renderPrompt(prompt, values)
}
