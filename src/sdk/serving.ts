import { type Composite, roleOfKind, type ServedComposite } from '../domain/composite'
import type { EngineContent, FilterContent, PromptContent, PromptMessage, SchemaContent } from '../domain/contents'
import type { Served, ServedReason, SkipReason } from '../domain/resolve'
import type { Arm } from '../domain/telemetry'
import type { Digest, KindName } from '../domain/version'
import { SluiceError } from '../errors'
import { type Attributes, accepts } from '../kinds/filter-accepts'
import { type PromptValue, renderPrompt } from '../kinds/prompt-render'
import { type Pipeline, pipelineOf } from '../pipeline/pipeline'
import type { RunOptions, RunResult } from './run-result'

/** The conversation is not served, and why. */
export interface NotServing {
  readonly skip: SkipReason
}

/** A prompt of the served composite. */
export interface ServedPrompt {
  readonly content: PromptContent
  /** Throws `prompt_variables` where the values do not fit the prompt's variables. */
  render(values: Readonly<Record<string, PromptValue>>): readonly PromptMessage[]
}

/** Of which moment and whom a serving is; fixed when it is resolved. */
export interface ServingContext {
  readonly task: string
  readonly tenant: string
  readonly conversation: string
  /** By the server's clock; absent where only a binding is known. */
  readonly startedAt: number | undefined
  readonly ageMs: number
  readonly headSeq: number
  readonly stale: boolean
}

export type Runner = (
  serving: Serving,
  values: Readonly<Record<string, PromptValue>>,
  options?: RunOptions,
) => Promise<RunResult>

/** What serves one conversation. Keep `binding` with the conversation and hand it back at its next request. */
export class Serving {
  readonly skip: undefined
  readonly task: string
  readonly tenant: string
  readonly conversation: string
  readonly startedAt: number | undefined
  readonly arm: Arm
  readonly reason: ServedReason
  readonly binding: string
  readonly seq: number
  readonly tenantSeq: number
  /** Index of the exposure slice where a bucket was compared, else -1. */
  readonly slice: number
  /** The snapshot is older than `maxStaleMs`, or older than the binding (`behind`). */
  readonly stale: boolean
  readonly behind: boolean
  /** Since the server last confirmed the snapshot. */
  readonly cacheAgeMs: number
  readonly headSeq: number
  private readonly served: ServedComposite
  private readonly runner: Runner
  private readonly context: ServingContext
  private readonly decision: Served

  constructor(decision: Served, context: ServingContext, runner: Runner) {
    this.task = context.task
    this.tenant = context.tenant
    this.conversation = context.conversation
    this.startedAt = context.startedAt
    this.arm = decision.arm
    this.reason = decision.reason
    this.binding = decision.binding
    this.seq = decision.seq
    this.tenantSeq = decision.tenantSeq
    this.slice = decision.slice
    this.behind = decision.behind === true
    this.stale = context.stale || this.behind
    this.cacheAgeMs = context.ageMs
    this.headSeq = context.headSeq
    this.served = decision.composite
    this.runner = runner
    this.context = context
    this.decision = decision
  }

  /** The same conversation with another composite, for an answer that nobody is served. */
  withComposite(composite: ServedComposite): Serving {
    return new Serving({ ...this.decision, composite }, this.context, this.runner)
  }

  get composite(): Composite {
    return this.served
  }

  /** The prompt of the role `prompt`, or the only prompt. Throws `not_found` where the composite has none. */
  get prompt(): ServedPrompt {
    const content = this.required<PromptContent>('prompt')
    return { content, render: (values) => renderPrompt(content, values) }
  }

  /** Throws `not_found` where the composite has none of its own, as with a router. */
  get engine(): EngineContent {
    return this.required('engine')
  }

  /** How the composite answers a request. Throws `not_found` where it has no prompt, or neither engine nor router. */
  get pipeline(): Pipeline {
    return pipelineOf(this.served)
  }

  /** Undefined: outputs are free text. */
  get schema(): SchemaContent | undefined {
    return this.ofKind('schema')
  }

  /** The content of any role; undefined where the composite has no such role. */
  content(role: string): unknown {
    return this.served.contents[role]
  }

  /** A content that another one of the composite refers to, such as a field of its mapping; undefined: it does not. */
  referred(digest: Digest): unknown {
    return this.served.closure?.[digest]
  }

  /** Whether the composite's filter takes the conversation; true without a filter. */
  accepts(attributes: Attributes): boolean {
    const filter = this.ofKind<FilterContent>('filter')
    return filter === undefined || accepts(filter, attributes)
  }

  /** Calls the pinned engine, validates the output and reports. See `run`. */
  run(values: Readonly<Record<string, PromptValue>>, options?: RunOptions): Promise<RunResult> {
    return this.runner(this, values, options)
  }

  /** The content of the role named after the kind, else of the only role of this kind. */
  ofKind<T>(kind: KindName): T | undefined {
    const role = roleOfKind(this.served, kind)
    return role === undefined ? undefined : (this.served.contents[role] as T)
  }

  private required<T>(kind: KindName): T {
    const content = this.ofKind<T>(kind)
    if (content !== undefined) return content
    throw new SluiceError('not_found', `The composite ${this.served.id} has no single role of the kind ${kind}.`)
  }
}
