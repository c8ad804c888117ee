import type { Digest } from './version'

/**
 * What a version of each kind holds once its references are resolved. These are plain types without zod, so that
 * applications can read served contents; the zod schemas in `src/kinds` are checked against them.
 */

export const promptRoles = ['system', 'user', 'assistant'] as const
export interface PromptMessage {
  readonly role: (typeof promptRoles)[number]
  /** Template text: `{{name}}` is a variable, `\{{` is a literal `{{`. */
  readonly content: string
}

/** `text` is one user message; `messages` is a chat. */
export type PromptBody = { readonly text: string } | { readonly messages: readonly PromptMessage[] }

export type PromptContent = PromptBody & {
  /** Datasets that the examples written in the prompt were taken from: cases of a suite must not be among them. */
  readonly fewShot?: readonly Digest[]
}

export interface EngineParameters {
  readonly temperature?: number
  readonly topP?: number
  readonly maxOutputTokens?: number
  readonly presencePenalty?: number
  readonly frequencyPenalty?: number
  readonly stop?: readonly string[]
}

export interface EngineContent {
  /** Symbolic name, resolved to a URL by configuration: identity does not depend on a port. */
  readonly endpoint: string
  readonly provider: 'openai-compatible'
  readonly model: string
  readonly parameters: EngineParameters
  readonly timeoutMs: number
  readonly maxAttempts: number
  /** USD per million tokens. */
  readonly pricePerMillion: { readonly input: number; readonly cachedInput: number; readonly output: number }
  readonly seed?: number
  /** Library versions, hardware class, quantization: what a reproduction needs to know. */
  readonly inferenceStack?: Readonly<Record<string, string>>
  /** The fine-tuned model whose checkpoint the endpoint serves under the name `model`. */
  readonly tunedModel?: Digest
}

/** A JSON Schema, draft-07 or 2020-12 (also when `$schema` is absent). */
export type SchemaContent = Readonly<Record<string, unknown>>

/** Key of the output → digest of the field version it is written to. */
export interface MappingContent {
  readonly fields: Readonly<Record<string, Digest>>
}

export const fieldTypes = ['string', 'number', 'integer', 'boolean', 'date'] as const
export interface FieldContent {
  /** Fixed for ever, like `type`. */
  readonly computerName: string
  readonly type: (typeof fieldTypes)[number]
  readonly label: string
}

export type AttributeValue = string | number | boolean
export type FilterCondition =
  | { readonly all: readonly FilterCondition[] }
  | { readonly any: readonly FilterCondition[] }
  | { readonly not: FilterCondition }
  | { readonly attribute: string; readonly eq: AttributeValue }
  | { readonly attribute: string; readonly in: readonly AttributeValue[] }
  | { readonly attribute: string; readonly exists: boolean }
  | { readonly attribute: string; readonly gt: number }
  | { readonly attribute: string; readonly lt: number }

export interface FilterContent {
  /** A conversation is taken when this holds for its attributes. */
  readonly accept: FilterCondition
}

/** A top-level key of the rows. `required`: every row has it. */
export interface DatasetColumn {
  readonly types: readonly string[]
  readonly required: boolean
}

/** One transformation: which data, code and parameters made which rows. */
export interface DatasetStep {
  /** Name → digest of a dataset version; the command finds the rows under that name. */
  readonly inputs: Readonly<Record<string, Digest>>
  /** `digest`: SHA-256 of the code file's bytes; `uri`: where it is, a path or an address. */
  readonly code: { readonly digest: Digest; readonly uri?: string }
  /** Program and arguments, without a shell. */
  readonly command: readonly string[]
  readonly parameters: Readonly<Record<string, unknown>>
  readonly seed?: number
  /** Root of the rows that it made. */
  readonly output: Digest
}

/** The rows themselves are kept by digest; `root` is the digest of their sorted digests. */
export interface DatasetContent {
  readonly root: Digest
  readonly count: number
  readonly columns: Readonly<Record<string, DatasetColumn>>
  /** How the rows were made; the last one's output is `root`. */
  readonly steps?: readonly DatasetStep[]
}

/** A row of a dataset that a suite may run on. */
export interface SuiteCase {
  readonly id: string
  /** Cases of one group are not independent: intervals and paired tests are by group. */
  readonly group: string
  readonly input: Readonly<Record<string, unknown>>
  readonly expected: Readonly<Record<string, unknown>>
}

export interface SuiteScorer {
  /** Name of the score within this suite. */
  readonly name: string
  /** Row of the scorers registry. */
  readonly scorer: string
  readonly options: Readonly<Record<string, unknown>>
  /** A case passes only when every gate scorer gives at least `passAt`. */
  readonly gate?: boolean
  /** Least score that counts as passed, above 0; absent: 1. */
  readonly passAt?: number
}

/** Variables that the prompt of a judge may have; it needs `output`. */
export const judgeVariables = ['input', 'expected', 'output', 'rubric'] as const
export type JudgeVariable = (typeof judgeVariables)[number]

/** A model that scores outputs, pinned like everything else that a score depends on. */
export interface SuiteJudge {
  readonly engine: Digest
  readonly prompt: Digest
}

export interface SuiteContent {
  readonly dataset: Digest
  /** Prompt variable → key of the case's `input`. A variable not named here is taken from the key of its own name. */
  readonly inputs: Readonly<Record<string, string>>
  readonly scorers: readonly SuiteScorer[]
  /** Name → judge, for the scorers that ask one. */
  readonly judges?: Readonly<Record<string, SuiteJudge>>
  /** Name of the scorer whose mean is the accuracy. */
  readonly primary: string
  readonly thresholds: {
    /** Least mean of the primary scorer, 0..1. */
    readonly minAccuracy: number
    /** Least share of schema-valid outputs, 0..1. */
    readonly minSchemaCompliance?: number
  }
  readonly groupBy: 'group'
  /** Runs of each case, each with a seed of its own. */
  readonly repeats: number
}
