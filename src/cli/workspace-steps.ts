import { existsSync, readFileSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { isRecord } from '../domain/diff'
import type { KindName } from '../domain/version'
import { datasetStepsSchema } from '../kinds/dataset'
import { describeIssues } from '../kinds/kind'
import { textDigest } from '../store/canonical'
import { malformed } from './workspace-file'

/** The file that says the steps. */
interface StepsFile {
  readonly kind: KindName
  readonly path: string
  readonly file: string
}

const maxCodeBytes = 64 * 1024 * 1024

/** A dataset's steps with the digest of their code, where they name it by its path in the workspace. */
export function withCodeDigests(place: StepsFile, content: unknown): unknown {
  if (place.kind !== 'dataset' || !isRecord(content) || !Array.isArray(content.steps)) return content
  const steps = content.steps.map((step: unknown) => {
    if (!isRecord(step) || typeof step.code !== 'string') return step
    const path = join(place.path.slice(0, -place.file.length), step.code)
    return { ...step, code: { digest: codeDigest(path, step.code, place.file), uri: step.code } }
  })
  return { ...content, steps }
}

function codeDigest(path: string, code: string, file: string) {
  if (isAbsolute(code) || code.split(/[\\/]/).includes('..')) {
    throw malformed(file, undefined, `${code} is no path within the workspace`)
  }
  if (!existsSync(path) || !statSync(path).isFile()) throw malformed(file, undefined, `the code ${code} is no file`)
  if (statSync(path).size > maxCodeBytes)
    throw malformed(file, undefined, `${code} is larger than ${maxCodeBytes} bytes`)
  return textDigest(readFileSync(path))
}

/** What may stand in a file whose rows are in another one: steps, or nothing. Throws `malformed_file`. */
export function checkedSteps({ kind, file }: StepsFile, content: unknown): unknown {
  if (!isRecord(content) || Object.keys(content).length === 0) return undefined
  if (kind !== 'dataset' || Object.keys(content).some((key) => key !== 'steps')) {
    throw malformed(file, undefined, 'has content, and so has the .jsonl file beside it')
  }
  const parsed = datasetStepsSchema.safeParse(content.steps)
  if (parsed.success) return { steps: parsed.data }
  const problems = describeIssues(parsed.error).map(({ path, message }) => `steps.${path}: ${message}`)
  throw malformed(file, undefined, problems.join('; '))
}
