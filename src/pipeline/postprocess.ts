import type { AttributeValue } from '../domain/contents'
import { isRecord, own } from '../domain/diff'
import type { PostprocessContent, PostprocessStep } from '../domain/pipeline-contents'
import { assertNever, SluiceError } from '../errors'
import type { SchemaMismatch } from '../kinds/schema-compile'

/** Code that an application brings, by the digest that contents name. */
export type Postprocessors = Readonly<Record<string, (output: unknown, entry?: string) => unknown>>

type Output = Readonly<Record<string, unknown>>

/** An output after post-processing, or why it could not be worked on. */
export type Postprocessed = { readonly output: unknown } | { readonly fault: SchemaMismatch }

/**
 * Does what the contents say, in their order; the given output is left as it is. The same in, the same out: no clock,
 * no chance. Throws `invalid_config` where code that a content names is not here.
 */
export function postprocess(
  contents: readonly PostprocessContent[],
  output: unknown,
  postprocessors: Postprocessors = {},
): Postprocessed {
  let value = output
  for (const content of contents) {
    const done = 'code' in content ? applyCode(content.code, value, postprocessors) : applySteps(content.steps, value)
    if ('fault' in done) return done
    value = done.output
  }
  return { output: value }
}

/** Throws `invalid_config` where code is not here: to be asked before anything is paid for. */
export function requirePostprocessors(contents: readonly PostprocessContent[], postprocessors: Postprocessors): void {
  for (const content of contents) if ('code' in content) codeOf(content.code.digest, postprocessors)
}

function applySteps(steps: readonly PostprocessStep[], output: unknown): Postprocessed {
  if (isRecord(output)) return { output: steps.reduce(applyStep, output) }
  return { fault: { path: '', message: 'is no object, so its keys cannot be post-processed' } }
}

function applyCode(
  { digest, entry }: { readonly digest: string; readonly entry?: string },
  output: unknown,
  postprocessors: Postprocessors,
): Postprocessed {
  const apply = codeOf(digest, postprocessors)
  try {
    return { output: apply(structuredClone(output), entry) }
  } catch (error) {
    return { fault: { path: '', message: `is not taken by the post-processing: ${(error as Error).message}` } }
  }
}

function codeOf(digest: string, postprocessors: Postprocessors): Postprocessors[string] {
  const code = Object.hasOwn(postprocessors, digest) ? postprocessors[digest] : undefined
  if (code !== undefined) return code
  const text = `The composite post-processes by the code ${digest}, which is not here: give it under this digest.`
  throw new SluiceError('invalid_config', text, { variable: 'postprocessors', digest })
}

function applyStep(output: Output, step: PostprocessStep): Output {
  switch (step.step) {
    case 'pick':
      return fromEntries(Object.entries(output).filter(([key]) => step.keys.includes(key)))
    case 'rename':
      return renamed(output, step.keys)
    case 'clamp':
      return changed(output, step.key, (value) => (typeof value === 'number' ? clamped(value, step) : value))
    case 'round':
      return changed(output, step.key, (value) => (typeof value === 'number' ? roundTo(value, step.digits) : value))
    case 'map':
      return changed(output, step.key, (value) => mapped(value, step))
    case 'default': {
      const value = own(output, step.key)
      return value === undefined || value === null ? { ...output, [step.key]: step.value } : output
    }
    default:
      return assertNever(step)
  }
}

/** `__proto__` is a key like any other: objects are made from entries and never by assignment. */
const fromEntries = (entries: readonly (readonly [string, unknown])[]): Output => Object.fromEntries(entries)

/** A renamed key takes the place of one that had its new name. */
function renamed(output: Output, names: Readonly<Record<string, string>>): Output {
  const moves = Object.entries(names).filter(([key]) => Object.hasOwn(output, key))
  const taken = new Set(moves.map(([, name]) => name))
  const nameOf = (key: string) => (Object.hasOwn(names, key) ? names[key] : undefined)
  const kept = Object.entries(output).filter(([key]) => nameOf(key) !== undefined || !taken.has(key))
  return fromEntries(kept.map(([key, value]) => [nameOf(key) ?? key, value]))
}

function changed(output: Output, key: string, change: (value: unknown) => unknown): Output {
  if (!Object.hasOwn(output, key)) return output
  return fromEntries(Object.entries(output).map(([name, value]) => [name, name === key ? change(value) : value]))
}

const clamped = (value: number, { min, max }: { readonly min?: number; readonly max?: number }): number =>
  Math.min(max ?? Number.POSITIVE_INFINITY, Math.max(min ?? Number.NEGATIVE_INFINITY, value))

/** By the decimal text, so that 1.005 becomes 1.01 as people write it; halves go away from zero. */
function roundTo(value: number, digits: number): number {
  const shifted = Number(`${shift(Math.abs(value), digits)}`)
  const rounded = Number(`${shift(Math.round(shifted), -digits)}`)
  return Number.isFinite(rounded) ? (value < 0 && rounded !== 0 ? -rounded : rounded) : value
}

function shift(value: number, digits: number): string {
  const [mantissa = '', exponent = '0'] = `${value}`.split('e')
  return `${mantissa}e${Number(exponent) + digits}`
}

function mapped(value: unknown, { values, otherwise }: Extract<PostprocessStep, { step: 'map' }>): unknown {
  const key = typeof value === 'string' ? value : JSON.stringify(value)
  const isScalar = typeof value !== 'object' || value === null
  const found: AttributeValue | undefined = isScalar && Object.hasOwn(values, key) ? values[key] : otherwise
  return found ?? value
}
