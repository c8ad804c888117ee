import type { EvaluationCheck } from './evaluation'
import type { Policy } from './policy'
import type { Digest, KindName } from './version'

/** Something that a composite was made from, and the way from a role to it. */
export interface ClosureMember {
  readonly kind: KindName
  readonly digest: Digest
  /** `kind/name@semver` of each step, the member's own last. */
  readonly path: readonly string[]
  readonly role: string
}

/** A row of what a composite was made from that is, or is much like, a case of the suite. */
export interface LeakageHit {
  /** Of a dataset the digest of the row; of another version the digest of the version. */
  readonly row: Digest
  /** The row's own `id`, where it has one. */
  readonly rowId?: string
  readonly caseId: string
  readonly case: Digest
  /** `row`: the same row; `text`: the same words in the same order but for repetitions; `near`: much alike. */
  readonly match: 'row' | 'text' | 'near'
  /** Jaccard similarity, 0..1, of the case and the passage of the row that is most like it. */
  readonly similarity: number
}

/** One member of a closure held against the cases of a suite: a fact of both digests and the method, for ever. */
export interface LeakageProof {
  readonly id: Digest
  readonly kind: KindName
  readonly digest: Digest
  /** Digest of the dataset version that holds the cases. */
  readonly cases: Digest
  readonly caseCount: number
  /** Cases without a word, which are compared by digest alone. */
  readonly wordlessCases: number
  readonly method: string
  readonly rows: number
  readonly leakedRows: number
  /** Pairs of row and case: of `leakedRows` each with its cases, which are told to a bound. */
  readonly hitCount: number
  /** The first of them in order of rows. */
  readonly hits: readonly LeakageHit[]
  /** Milliseconds since the epoch. */
  readonly at: number
}

export interface SourceProof extends ClosureMember {
  /** Absent: not compared yet, or `missing`. */
  readonly proof?: LeakageProof
  /** Why it cannot be compared: its rows are not here. */
  readonly missing?: string
}

/** Everything that a composite was made from, held against a suite. */
export interface LeakageReport {
  readonly composite: Digest
  readonly suite: Digest
  /** Absent while something was not compared yet. `no_evidence`: nothing leaked, but some of it cannot be compared. */
  readonly result?: 'pass' | 'leaked' | 'no_evidence'
  readonly sources: readonly SourceProof[]
  readonly rows: number
  readonly leakedRows: number
  readonly hitCount: number
}

export function leakageReport(
  of: { readonly composite: Digest; readonly suite: Digest },
  sources: readonly SourceProof[],
): LeakageReport {
  const proofs = sources.flatMap(({ proof }) => (proof === undefined ? [] : [proof]))
  const sum = (figure: (proof: LeakageProof) => number) => proofs.reduce((total, proof) => total + figure(proof), 0)
  const leakedRows = sum((proof) => proof.leakedRows)
  const missing = sources.filter((source) => source.missing !== undefined).length
  const result = leakedRows > 0 ? 'leaked' : missing > 0 ? 'no_evidence' : 'pass'
  return {
    ...of,
    ...(proofs.length + missing === sources.length ? { result } : {}),
    sources,
    rows: sum(({ rows }) => rows),
    leakedRows,
    hitCount: sum(({ hitCount }) => hitCount),
  }
}

/** Hits that the text of a check names; the others are in the report. */
const maxNamedHits = 3

/**
 * What the gate makes of a complete report: fails on a leaked row of an artifact that the policy does not except, and has no
 * evidence where one that it does not except cannot be compared.
 */
export function leakageCheck(report: LeakageReport, policy: Pick<Policy, 'leakage'>): EvaluationCheck {
  const allowed = new Set(policy.leakage?.allow ?? [])
  const leaking = report.sources.filter(({ proof }) => (proof?.leakedRows ?? 0) > 0)
  const refused = leaking.filter((source) => !allowed.has(artifactOf(source)))
  const value = refused.reduce((rows, { proof }) => rows + (proof?.leakedRows ?? 0), 0)
  const rest = { name: 'leakage', value, limit: 0 } as const
  if (refused.length > 0) return { ...rest, verdict: 'fail', text: leakText(refused, value) }
  const unknown = report.sources.find((source) => source.missing !== undefined && !allowed.has(artifactOf(source)))
  if (unknown !== undefined) return { ...rest, verdict: 'no_evidence', text: missingText(unknown) }
  return { ...rest, verdict: 'pass', text: passText(report, allowed) }
}

function passText({ sources, rows }: LeakageReport, allowed: ReadonlySet<string>): string {
  const datasets = sources.filter(isDataset).length
  const excepted = [...new Set(sources.map(artifactOf))].filter((artifact) => allowed.has(artifact))
  const but = excepted.length === 0 ? '' : ` (${excepted.join(', ')} is excepted by the policy)`
  const counts = `${datasets} datasets and ${sources.length - datasets} other versions`
  return `No case of the suite is in the ${rows} rows of the ${counts} behind the candidate${but}.`
}

const missingText = ({ path, missing }: SourceProof): string =>
  `Whether ${path.at(-1)} holds cases of the suite cannot be known, so no case was run: ${missing}`

/** Rows of a dataset are rows; any other version is one row, its texts. */
export const isDataset = ({ kind }: Pick<ClosureMember, 'kind'>): boolean => kind === 'dataset'

/** `kind/name` of a member, as an exception of a policy names it. */
const artifactOf = ({ path }: ClosureMember): string => (path.at(-1) ?? '').split('@')[0] ?? ''

function leakText(sources: readonly SourceProof[], rows: number): string {
  const hits = sources.flatMap((source) => (source.proof?.hits ?? []).map((hit) => hitText(source, hit)))
  const named = hits.slice(0, maxNamedHits).join('; ')
  const count = rows === 1 ? 'One row' : `${rows} rows`
  return `${count} behind the candidate would give cases of the suite away, so no case was run: ${named}${
    hits.length > maxNamedHits ? '; …' : ''
  }. Take them out of the data or out of the suite; \`sluice leaks\` lists them.`
}

const matchWords = { row: 'is', text: 'has the text of', near: 'is nearly' } as const

/** `row r-7 (sha256:…) of dataset/train@1.0.0 is nearly case c-1 (sha256:…), similarity 0.92`. */
export function hitText(source: ClosureMember, hit: LeakageHit): string {
  const ref = source.path.at(-1) ?? source.digest
  const row = isDataset(source)
    ? `row ${hit.rowId === undefined ? hit.row : `${hit.rowId} (${hit.row})`} of ${ref}`
    : ref
  const similar = hit.match === 'near' ? `, similarity ${hit.similarity.toFixed(2)}` : ''
  const way = source.path.length > 1 ? `, by way of ${source.path.slice(0, -1).join(' → ')}` : ''
  return `${row} ${matchWords[hit.match]} case ${hit.caseId} (${hit.case})${similar}${way}`
}
