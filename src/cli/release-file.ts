import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { rcompare } from 'semver'
import { isNode, LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import type { ReleaseRequest } from '../domain/plan'
import { roleRef } from '../domain/task'
import { SluiceError } from '../errors'
import { describeIssues } from '../kinds/kind'
import type { Cli } from './cli'
import { everyItem } from './pages'
import { malformed, parseKeys, readText } from './workspace-file'

const text = z.string().trim().min(1, 'says nothing')
const releaseSchema = z.strictObject({
  task: text,
  change: z.record(z.string(), text).refine((change) => Object.keys(change).length > 0, 'names no role that moves'),
  why: text,
  expect: text.exactOptional(),
  policy: text.exactOptional(),
})

/** What a file of `releases/` asks for. Throws `malformed_file` naming file and line. */
export function readReleaseFile(directory: string, file: string): ReleaseRequest {
  const path = resolve(directory, file)
  if (!existsSync(path)) throw malformed(file, undefined, 'there is no such file')
  if (!statSync(path).isFile()) throw malformed(file, undefined, 'is no file; name one such as releases/next.yaml')
  const source = readText(path, file)
  const parsed = releaseSchema.safeParse(parseKeys(source, file))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const said = describeIssues(parsed.error).map(({ path, message }) =>
      path === '' ? message : `${path}: ${message}`,
    )
    throw malformed(file, lineOf(source, issue === undefined ? [] : placeOf(issue)), said.join('; '))
  }
  for (const [role, ref] of Object.entries(parsed.data.change)) assertRef(file, source, role, ref)
  return parsed.data
}

/** Where a person looks: at the first key that does not belong there, else at what does not fit. */
const placeOf = (issue: z.core.$ZodIssue): readonly PropertyKey[] =>
  issue.code === 'unrecognized_keys' ? [...issue.path, ...issue.keys.slice(0, 1)] : issue.path

function assertRef(file: string, source: string, role: string, ref: string): void {
  try {
    roleRef(role, ref)
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    throw malformed(file, lineOf(source, ['change', role]), error.message.replace(/\.$/, ''))
  }
}

/** The line of a value, or of the nearest thing around it that is written. */
function lineOf(source: string, path: readonly PropertyKey[]): number | undefined {
  const counter = new LineCounter()
  const document = parseDocument(source, { lineCounter: counter })
  for (let depth = path.length; depth >= 0; depth -= 1) {
    const node = document.getIn(path.slice(0, depth), true)
    if (isNode(node) && node.range) return counter.linePos(node.range[0]).line
  }
  return undefined
}

const versionsPerPage = 200

/** A policy named without its version is the highest registered one. Throws `unknown_ref`. */
export async function policyRef({ api }: Cli, policy: string): Promise<string> {
  if (policy.includes('@')) return policy
  const name = policy.replace(/^policy\//, '')
  const path = `/v1/artifacts/policy/${encodeURIComponent(name)}`
  const versions = await everyItem<{ readonly semver: string }>(api, path, { limit: versionsPerPage })
  const [highest] = versions.map(({ semver }) => semver).sort(rcompare)
  if (highest !== undefined) return `${name}@${highest}`
  throw new SluiceError('unknown_ref', `No policy is registered as ${name}; \`sluice artifact ls policy\` lists them.`)
}
