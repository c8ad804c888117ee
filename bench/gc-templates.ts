import { randomUUID } from 'node:crypto'
import type { Document, WithId } from 'mongodb'
import type { EvaluationReport } from '../src/domain/evaluation'
import type { KindName } from '../src/domain/version'
import type { CompositeDocument } from '../src/store/composite-documents'
import type { SetDocument } from '../src/store/row-documents'
import type { VersionDocument } from '../src/store/version-documents'
import { environment, type LiveGround } from './live-lane'

/** One document of each collection as the store wrote it itself. */
export interface HistoryTemplates {
  readonly versions: Readonly<Record<'prompt' | 'index' | 'dataset' | 'suite', VersionDocument>>
  readonly composite: CompositeDocument
  readonly set: SetDocument
  readonly evaluation: Document
  readonly verdict: Document
  readonly result: Document & { readonly result: Document }
  /** Of staging and of production. */
  readonly entries: readonly (WithId<Document> & { readonly environment: string })[]
}

const task = 'template'
const label = (kind: KindName) => `${kind}/template@1.0.0`
const embedding = { endpoint: 'local', model: 'embed', dimensions: 256, pricePerMillion: 0.02 }
const engine = { endpoint: 'local', model: 'small', pricePerMillion: { input: 1, cachedInput: 1, output: 1 } }
const artifact = { digest: `sha256:${'8'.repeat(64)}`, uri: 's3://indexes/template' }
const contents = {
  dataset: { rows: [{ id: 'one', group: 'g', text: 'a row', expected: { mood: 'good' } }] },
  embedding,
  engine,
  prompt: { text: 'Template: {{transcript}}' },
  index: { embedding: label('embedding'), dataset: label('dataset'), artifact },
  suite: {
    dataset: label('dataset'),
    scorers: [{ name: 'mood', scorer: 'field', options: { path: 'mood' } }],
    primary: 'mood',
    thresholds: { minAccuracy: 0.5 },
  },
  policy: { environments: [environment] },
} satisfies Partial<Record<KindName, unknown>>

/** One small life through the store's own API: registered, composed, evaluated, judged and deployed. */
export async function historyTemplates({ store, ledger }: LiveGround): Promise<HistoryTemplates> {
  const { catalog, database, evaluations, evidence } = store
  for (const [kind, content] of Object.entries(contents)) {
    const about = { author: 'bench', description: 'template' }
    await catalog.register({ kind: kind as KindName, name: 'template', semver: '1.0.0', content, ...about })
  }
  const roles = { prompt: label('prompt'), engine: label('engine'), index: label('index') }
  const composite = await catalog.commitComposite(roles)
  await catalog.putTask({ name: task, roles, suite: label('suite'), policy: label('policy') }, 'bench')
  const { suiteDigest: suite, policyDigest: policy } = await catalog.task(task)
  const [evaluationId, key] = [randomUUID(), { candidate: composite.id, suite, policy }]
  await evaluations.begin(evaluationId, key, 'bench')
  const place = await evidence.results.begin({ composite: composite.id, suite, caseId: 'one', repeat: 0 })
  const said = { text: 'said', truncated: false, latencyMs: 1, call: composite.id, measuredAt: 0, evaluationId }
  const paid = { inputTokens: 1, cachedTokens: 0, outputTokens: 1, costUsd: 0, uncachedCostUsd: 0 }
  await evidence.results.put(place, { ...said, ...paid })
  const judged = { ...key, evaluationId, verdict: 'pass', reasons: [], shifting: false } as const
  await evidence.record({ ...judged, report: {} as EvaluationReport })
  await evaluations.end(evaluationId, 'done')
  for (const where of ['staging', environment]) {
    const draft = { cause: 'settle', by: 'bench', incumbent: composite.id, exposure: [], salt: 'first' } as const
    const to = { environment: where, task, key: 'first/settle/append', policy, leadMs: 0 }
    await ledger.forward({ ...to, draft, expectedBase: 0 })
  }
  const one = async <T extends Document>(name: string, filter: Document): Promise<T> => {
    const found = await database.collection(name).findOne(filter)
    if (found === null) throw new Error(`The store wrote nothing into ${name}.`)
    return found as unknown as T
  }
  const version = (kind: KindName) => one<VersionDocument>('versions', { _id: label(kind) })
  const [prompt, index, dataset] = [await version('prompt'), await version('index'), await version('dataset')]
  const document = await one<CompositeDocument>('composites', { _id: composite.id })
  const own = new Set([prompt.digest, index.digest, dataset.digest])
  return {
    versions: { prompt, index, dataset, suite: await version('suite') },
    composite: { ...document, closure: document.closure.filter((digest) => !own.has(digest)) },
    set: await one<SetDocument>('row_sets', {}),
    evaluation: await one('evaluations', { _id: evaluationId }),
    verdict: await one('verdicts', { evaluationId }),
    result: await one('eval_results', { composite: composite.id }),
    entries: (await database
      .collection('allocations')
      .find({ task })
      .toArray()) as unknown as HistoryTemplates['entries'],
  }
}
