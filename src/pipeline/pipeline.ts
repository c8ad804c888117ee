import type { Branch } from '../domain/branch'
import { roleOfKind, rolesOfKind, type ServedComposite } from '../domain/composite'
import type { EngineContent, PromptContent, PromptMessage, SchemaContent } from '../domain/contents'
import type { PostprocessContent, RouterContent, ToolContent } from '../domain/pipeline-contents'
import { worstCostUsd } from '../domain/pricing'
import type { ToolCall, ToolTurn } from '../domain/tool-call'
import type { Digest, KindName } from '../domain/version'
import { SluiceError } from '../errors'
import type { Attributes } from '../kinds/filter-accepts'
import { type PromptValue, promptVariables, renderPrompts } from '../kinds/prompt-render'
import { compileSchema, type SchemaMismatch } from '../kinds/schema-compile'
import { type Postprocessors, postprocess } from './postprocess'
import {
  type Answered,
  type Ask,
  answerAgain,
  answerRouted,
  type LoadedRouter,
  nothingUsed,
  type Routed,
  sumUsed,
} from './route'
import { checkToolCalls } from './tool-check'

/** How a composite answers a request: prompt, engine or router, tools, schema, post-processing. */
export interface Pipeline {
  readonly prompt: PromptContent
  /** A router goes before an engine that stands in a role of its own. */
  readonly engine: EngineContent | LoadedRouter
  readonly tools: readonly ToolContent[]
  readonly schema?: SchemaContent
  /** In the order of their roles. */
  readonly postprocess: readonly PostprocessContent[]
}

/** Composites are immutable, so each is read once for as long as somebody holds it. */
const pipelines = new WeakMap<ServedComposite, Pipeline>()

/** Throws `not_found` where the composite has no prompt, or neither engine nor router; `invalid_content` where two tools have one name. */
export function pipelineOf(composite: ServedComposite): Pipeline {
  const known = pipelines.get(composite)
  if (known !== undefined) return known
  const router = contentOf<RouterContent>(composite, 'router')
  const schema = contentOf<SchemaContent>(composite, 'schema')
  const all = <T>(kind: KindName) => rolesOfKind(composite, kind).map((role) => composite.contents[role] as T)
  const tools = all<ToolContent>('tool')
  const names = tools.map(({ name }) => name)
  if (new Set(names).size < names.length) {
    throw new SluiceError('invalid_content', `Two tools of ${composite.id} have the same name.`, { tools: names })
  }
  const pipeline: Pipeline = {
    prompt: required(composite, 'prompt'),
    engine: router === undefined ? required(composite, 'engine') : loadRouter(composite, router),
    tools,
    ...(schema === undefined ? {} : { schema }),
    postprocess: all('postprocess'),
  }
  pipelines.set(composite, pipeline)
  return pipeline
}

function contentOf<T>(composite: ServedComposite, kind: KindName): T | undefined {
  const role = roleOfKind(composite, kind)
  return role === undefined ? undefined : (composite.contents[role] as T)
}

function required<T>(composite: ServedComposite, kind: KindName): T {
  const content = contentOf<T>(composite, kind)
  if (content !== undefined) return content
  throw new SluiceError('not_found', `The composite ${composite.id} has no single role of the kind ${kind}.`)
}

function loadRouter({ id, closure = {} }: ServedComposite, content: RouterContent): LoadedRouter {
  const referred = <T>(digest: Digest): T => {
    if (Object.hasOwn(closure, digest)) return closure[digest] as T
    throw new SluiceError('not_found', `The composite ${id} came without ${digest}, which its router names.`)
  }
  const { classifier } = content
  return {
    content,
    engines: Object.fromEntries(Object.entries(content.candidates).map(([name, digest]) => [name, referred(digest)])),
    ...(classifier === undefined
      ? {}
      : { classifier: { engine: referred(classifier.engine), prompt: referred(classifier.prompt) } }),
  }
}

/** Every engine that a request may reach. */
export function enginesOf({ engine }: Pipeline): readonly EngineContent[] {
  if (!('engines' in engine)) return [engine]
  return [...Object.values(engine.engines), ...(engine.classifier === undefined ? [] : [engine.classifier.engine])]
}

/** The variables that a request gives values for, sorted. */
export const pipelineVariables = (pipeline: Pipeline): readonly string[] =>
  [...new Set(promptsOf(pipeline).flatMap(promptVariables))].sort()

const promptsOf = ({ prompt, engine }: Pipeline): readonly PromptContent[] =>
  'engines' in engine && engine.classifier !== undefined ? [prompt, engine.classifier.prompt] : [prompt]

/** A request as it goes out. */
export interface PipelineRequest {
  readonly messages: readonly PromptMessage[]
  /** To the classifier, where there is one. */
  readonly question?: readonly PromptMessage[]
}

/** Throws `prompt_variables` where the values do not fit the variables of prompt and classifier together. */
export function renderRequest(pipeline: Pipeline, values: Readonly<Record<string, PromptValue>>): PipelineRequest {
  const [messages = [], question] = renderPrompts(promptsOf(pipeline), values)
  return { messages, ...(question === undefined ? {} : { question }) }
}

/** An upper bound of what a request may cost: a failed call costs nothing, so one candidate answers, and the classifier. */
export function worstRequestUsd(pipeline: Pipeline, { messages, question = [] }: PipelineRequest): number {
  const { engine } = pipeline
  const asked = (one: EngineContent) => worstAnswerUsd(pipeline, one, messages)
  if (!('engines' in engine)) return asked(engine)
  const dearest = Math.max(...Object.values(engine.engines).map(asked))
  const { classifier } = engine
  return dearest + (classifier === undefined ? 0 : worstCostUsd(classifier.engine, charactersOf(question)))
}

/** The same of one engine that is sent the messages and the tools. */
export const worstAnswerUsd = (
  { tools }: Pick<Pipeline, 'tools'>,
  engine: EngineContent,
  messages: readonly PromptMessage[],
): number => worstCostUsd(engine, charactersOf(messages) + (tools.length === 0 ? 0 : JSON.stringify(tools).length))

const charactersOf = (rows: readonly PromptMessage[]): number =>
  rows.reduce((total, { content }) => total + content.length, 0)

/** What an engine is sent of a request: the classifier its question alone, any other one the messages with the tools. */
export const sentTo = (
  { tools }: Pipeline,
  { messages, turns }: { readonly messages: readonly PromptMessage[]; readonly turns?: readonly ToolTurn[] },
  question: readonly PromptMessage[] | undefined,
) => (question === undefined ? { messages, tools, ...(turns ? { turns } : {}) } : { messages: question })

/** Without a router there is no branch. */
export type PipelineOutcome<A> = Routed<A> | { readonly used: Routed<A>['used']; readonly answer: A } | UnroutedFailure
type UnroutedFailure = { readonly used: typeof nothingUsed; readonly error: unknown }

/** Asks the engine, or the one that the router names. `branch`: a request that continues one stays with its candidate. */
export async function answerRequest<A extends Answered>(
  { engine }: Pipeline,
  request: { readonly attributes: Attributes; readonly question?: readonly PromptMessage[]; readonly branch?: Branch },
  ask: Ask<A>,
): Promise<PipelineOutcome<A>> {
  if ('engines' in engine) {
    return request.branch === undefined ? answerRouted(engine, request, ask) : answerAgain(engine, request.branch, ask)
  }
  try {
    const answer = await ask(engine)
    return { used: sumUsed(nothingUsed, answer), answer }
  } catch (error) {
    return { used: nothingUsed, error }
  }
}

/** What readers get of an answer, and where it does not fit; empty mismatches: it does. */
export interface ReadAnswer {
  /** The text itself where it is not the JSON that a schema asks for. */
  readonly output: unknown
  readonly mismatches: readonly SchemaMismatch[]
}

/** What an engine answered, as far as it is read. */
export interface Reply {
  readonly text: string
  readonly toolCalls?: readonly ToolCall[]
}

/** An answer that calls tools is none yet: only its calls are checked. */
export function readReply(
  pipeline: Pipeline,
  { text, toolCalls = [] }: Reply,
  postprocessors?: Postprocessors,
): ReadAnswer {
  if (toolCalls.length === 0) return readAnswer(pipeline, text, postprocessors)
  return { output: undefined, mismatches: checkToolCalls(pipeline.tools, toolCalls) }
}

/** Parses, checks against the schema, then post-processes. Without schema and post-processing the output is the text. */
function readAnswer(pipeline: Pipeline, text: string, postprocessors?: Postprocessors): ReadAnswer {
  const { schema, postprocess: contents } = pipeline
  if (schema === undefined && contents.length === 0) return { output: text, mismatches: [] }
  const parsed = parseJson(text)
  if ('fault' in parsed) return { output: text, mismatches: [parsed.fault] }
  return readParsed(pipeline, parsed.output, postprocessors)
}

/** The same for an answer that was parsed already. */
export function readParsed(
  { schema, postprocess: contents }: Pipeline,
  parsed: unknown,
  postprocessors?: Postprocessors,
): ReadAnswer {
  const mismatches = schema === undefined ? [] : compileSchema(schema)(parsed)
  if (mismatches.length > 0) return { output: parsed, mismatches }
  const done = postprocess(contents, parsed, postprocessors)
  return 'fault' in done ? { output: parsed, mismatches: [done.fault] } : { ...done, mismatches: [] }
}

/** The whole text must be JSON: what an application would have to clean up first does not fit. */
function parseJson(text: string): { readonly output: unknown } | { readonly fault: SchemaMismatch } {
  try {
    return { output: JSON.parse(text) }
  } catch {
    return { fault: { path: '', message: 'is not JSON' } }
  }
}
