import type { Command } from 'commander'
import type { Allocation } from '../../domain/allocation'
import { exposureText } from '../../domain/plan'
import { pairText } from '../../domain/provider-change'
import type { TenantEntry } from '../../domain/tenant'
import { formatUsd } from '../../domain/verdict-text'
import type { ChainPlace, EvidenceSeen, ExplainedRequest } from '../../store/explainer'
import type { LoggedRequest } from '../../store/request-log'
import { textArgument } from '../arguments'
import { type Cli, CommandEnded, withExample } from '../cli'
import { changeText } from '../provider-wording'
import { dateText, durationText, plainText, shortDigest } from '../wording'

/** `sluice explain <requestId>`: why a request was served as it was, checked against the ledgers. */
export function explainCommand(program: Command, cli: Cli): void {
  const command = program
    .command('explain')
    .description('why a request was served as it was; resolves it again from the ledgers and compares')
    .argument('<requestId>', 'the id the application reported', textArgument)
    .action((id: string) => explainRequest(cli, id))
  withExample(command, 'explain 5d0f3c1e-20fb-4c2a-9c57-0c4a6f6f3a10')
}

type Answer = ExplainedRequest & { readonly next: Next }
type Next = { readonly composite: string; readonly reason: string } | { readonly skip: string }

async function explainRequest(cli: Cli, id: string): Promise<void> {
  const { api, print } = cli
  const answer = await api.get<Answer>(`/v1/requests/${encodeURIComponent(id)}/explanation`)
  print.data(answer)
  for (const [label, text] of factsOf(answer)) print.line(`${label.padEnd(14)}${text}`)
  if (answer.agrees) return
  for (const difference of answer.differences) print.line(`DISAGREES     ${difference}`)
  print.line('Check the chains: sluice audit verify')
  throw new CommandEnded('failed')
}

type Fact = readonly [string, string]

function factsOf(answer: Answer): readonly Fact[] {
  const { logged, entry, tenantEntry, bucket, roles, chains, missing, providerChanges, next } = answer
  const { requestId, task, environment, tenant, conversation, at } = logged
  const refs = roles.map(({ ref }) => ref).join(', ')
  return [
    ['request', `${requestId}, ${dateText(at)}: ${amountsText(logged)}`],
    ['conversation', `${conversation} of ${tenant}, ${task} in ${environment}, bound as ${logged.binding}`],
    ['served by', `${shortDigest(logged.composite)}  ${refs}`],
    ['because', becauseText(logged, entry, bucket)],
    ...(entry === undefined ? [] : [['entry', entryText(entry)] as const]),
    ...(tenantEntry === undefined ? [] : [['tenant', tenantText(tenantEntry)] as const]),
    ['snapshot', `head ${logged.headSeq}, ${durationText(logged.cacheAgeMs)} old${logged.stale ? ', stale' : ''}`],
    ...(logged.model === undefined && logged.fingerprint === undefined ? [] : [['model', pairText(logged)] as const]),
    ...(logged.branch === undefined ? [] : [['branch', logged.branch] as const]),
    ...providerChanges.map((change) => ['provider', changeText(change)] as const),
    ...answer.evidence.map((one) => ['evidence', evidenceText(one)] as const),
    ['captured', capturedText(answer)],
    ['its next', nextText(logged, next)],
    ...chainFacts(chains),
    ...missing.map(({ of, why }) => ['missing', `${shortSubject(of)}: ${why}`] as const),
    ...(answer.agrees ? [['ledgers', 'agree: resolved again it is the same'] as const] : []),
  ]
}

const shortSubject = (of: string): string => (of.startsWith('sha256:') ? shortDigest(of) : of)

const tenantText = ({ seq, by, at, reason, state }: TenantEntry): string =>
  `entry ${seq} by ${by}, ${dateText(at)}, ring ${state.ring}: ${reason}`

const evidenceText = ({ verdict, suite, at }: EvidenceSeen): string =>
  `${plainText(verdict)} on ${shortDigest(suite)}, ${dateText(at)}`

function capturedText({ capture }: Answer): string {
  return capture.state === 'kept'
    ? `inputs and output, until ${dateText(capture.expiresAt)}`
    : 'nothing that is still there'
}

function chainFacts({ lane, tenant }: Answer['chains']): readonly Fact[] {
  const text = (of: string, { seq, length, hash, holds }: ChainPlace): Fact => [
    'chain',
    holds
      ? `${of} entry ${seq} of ${length}, ${shortDigest(hash)}, holds from end to end`
      : `${of} entry ${seq} is BROKEN`,
  ]
  return [...(lane ? [text('lane', lane)] : []), ...(tenant ? [text('tenant', tenant)] : [])]
}

function amountsText({ outcome, latencyMs, costUsd, inputTokens, cachedTokens, outputTokens }: LoggedRequest): string {
  const tokens = `${inputTokens} tokens in (${cachedTokens} cached), ${outputTokens} out`
  return `${plainText(outcome)}, ${Math.round(latencyMs)} ms, ${formatUsd(costUsd)}, ${tokens}`
}

const reasons: Readonly<Record<string, string>> = {
  settled: 'nothing was being released to it',
  no_slice: 'no slice of the release takes this tenant',
  override: 'the tenant has an override',
  opt_out: 'the tenant opted out',
  revoked: 'what it began with was rolled back since',
}

function becauseText({ reason, arm, slice }: LoggedRequest, entry?: Allocation, bucket?: number): string {
  const matched = entry?.exposure[slice]
  if (reason !== 'slice' || matched === undefined || bucket === undefined) return reasons[reason] ?? reason
  const side = arm === 'candidate' ? 'below' : 'not below'
  return `${exposureText({ exposure: [matched] })} get the candidate; its bucket ${bucket} is ${side} ${matched.basisPoints}: ${arm}`
}

function entryText({ seq, cause, by, at, releaseId, reason }: Allocation): string {
  const release = releaseId === undefined ? '' : ` of release ${releaseId}`
  return `${seq}, ${cause}${release} by ${by}, ${dateText(at)}${reason === undefined ? '' : `: ${reason}`}`
}

function nextText({ composite }: LoggedRequest, next: Next): string {
  if ('skip' in next) return `request would not be served: ${plainText(next.skip)}`
  if (next.composite === composite) return 'request would be served the same'
  return `request would be served by ${shortDigest(next.composite)}: ${reasons[next.reason] ?? next.reason}`
}
