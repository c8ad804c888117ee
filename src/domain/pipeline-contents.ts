import type { AttributeValue, FilterCondition, SchemaContent } from './contents'
import type { Digest } from './version'

/** Contents of the kinds around the call of an engine: before it, after it, and which engine it is. */

/** Bytes too heavy for the registry: kept elsewhere, known by their digest. */
export interface HeavyArtifact {
  readonly digest: Digest
  /** Where they are kept; the same from every machine. */
  readonly uri: string
  readonly bytes?: number
}

/** A function that the engine may ask the application to call. */
export interface ToolContent {
  /** As the engine writes it. */
  readonly name: string
  readonly description: string
  /** JSON Schema of the arguments, one object. */
  readonly parameters: SchemaContent
}

/** One change of the output, an object; steps touch only the keys that they name, and only where these are present. */
export type PostprocessStep =
  /** Only these keys stay. */
  | { readonly step: 'pick'; readonly keys: readonly string[] }
  /** Old name → new name, all at once. */
  | { readonly step: 'rename'; readonly keys: Readonly<Record<string, string>> }
  /** Numbers only. At least one bound is given. */
  | { readonly step: 'clamp'; readonly key: string; readonly min?: number; readonly max?: number }
  /** Numbers only, to this many decimals, halves away from zero. */
  | { readonly step: 'round'; readonly key: string; readonly digits: number }
  /** Texts, and numbers and booleans as JSON writes them → the value instead; others become `otherwise`, if it is given. */
  | {
      readonly step: 'map'
      readonly key: string
      readonly values: Readonly<Record<string, AttributeValue>>
      readonly otherwise?: AttributeValue
    }
  /** Where the key is absent or null. */
  | { readonly step: 'default'; readonly key: string; readonly value: AttributeValue }

/** What is done to an output that fits its schema: declared steps, or code that the application brings by its digest. */
export type PostprocessContent =
  | { readonly steps: readonly PostprocessStep[] }
  | { readonly code: HeavyArtifact & { readonly entry?: string } }

export interface EmbeddingContent {
  /** Symbolic name, as of an engine. */
  readonly endpoint: string
  readonly provider: 'openai-compatible'
  readonly model: string
  /** Length of a vector. */
  readonly dimensions: number
  /** `l2`: vectors are scaled to the length 1. */
  readonly normalization: 'none' | 'l2'
  readonly timeoutMs: number
  readonly maxAttempts: number
  /** USD per million tokens. */
  readonly pricePerMillion: number
  readonly inferenceStack?: Readonly<Record<string, string>>
}

/** A retrieval index: what was indexed, how, and the result. */
export interface IndexContent {
  readonly embedding: Digest
  readonly dataset: Digest
  /** Parameters of the build: chunk size, overlap, metric. */
  readonly build: Readonly<Record<string, AttributeValue>>
  readonly artifact: HeavyArtifact
}

/** An engine that names the candidate: rules come first, then it is asked. */
export interface RouterClassifier {
  readonly engine: Digest
  /** Its variables take the values that the request gives. */
  readonly prompt: Digest
  /** Label that it answers → name of a candidate. Any other label goes to the default. */
  readonly labels: Readonly<Record<string, string>>
  /** 0..1. It then answers `{ "label": …, "confidence": … }`; less confident answers go to the default. */
  readonly minConfidence?: number
  /** Name of the candidate where the call fails. */
  readonly onFailure: string
}

export interface RouterRule {
  readonly when: FilterCondition
  /** Name of a candidate. */
  readonly use: string
}

/** Which engine answers a request. The first rule that holds decides, else the classifier, else the default. */
export interface RouterContent {
  /** Name → engine. */
  readonly candidates: Readonly<Record<string, Digest>>
  readonly rules: readonly RouterRule[]
  readonly classifier?: RouterClassifier
  readonly default: string
  /** Asked in this order where the chosen candidate fails in a way that another may not. */
  readonly fallbacks: readonly string[]
}

/** A fine-tuned model: from what, on what, how, and the weights that came out. */
export interface ModelContent {
  /** The models it was tuned from: registered ones, or those of a provider by name. */
  readonly bases: readonly ({ readonly model: Digest } | { readonly provider: string; readonly name: string })[]
  readonly datasets: { readonly train: readonly Digest[]; readonly validation?: readonly Digest[] }
  readonly steps: readonly {
    readonly name: string
    /** Of the code that ran. */
    readonly code: Digest
    readonly parameters: Readonly<Record<string, unknown>>
  }[]
  readonly seed?: number
  readonly checkpoint: HeavyArtifact
}

/** Something to run; described here, run by whoever deploys. */
export type PlatformHook = { readonly timeoutMs: number } & (
  | { readonly command: readonly string[] }
  | {
      readonly http: {
        /** Symbolic name, as of an engine. */
        readonly endpoint: string
        readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
        readonly path: string
        readonly body?: unknown
      }
    }
)

export const platformChanges = ['ui_workflow', 'performance', 'schema_migration'] as const

/** A change of the platform's software. */
export interface PlatformContent {
  readonly change: (typeof platformChanges)[number]
  /** What is deployed, such as an image. */
  readonly artifact?: HeavyArtifact
  readonly deploy: PlatformHook
  readonly verify: PlatformHook
  readonly revert: PlatformHook
}
