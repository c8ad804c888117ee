import { randomUUID } from 'node:crypto'
import { Binary, type Document } from 'mongodb'
import { ulid } from 'ulid'
import { compositeIdentity } from '../src/domain/composite'
import { canonicalJson, digestOf, textDigest } from '../src/store/canonical'
import type { Database } from '../src/store/database'
import { createRootHash, packSorted } from '../src/store/row-digests'
import { rowDocument } from '../src/store/row-documents'
import type { Store } from '../src/store/store'
import { identityOf, positionOf, type VersionDocument } from '../src/store/version-documents'
import type { HistoryTemplates } from './gc-templates'

/** Versions of each kind in a history of a hundred thousand; each one's parent is the version before it. */
const kindCounts = { prompt: 84_000, index: 8_000, dataset: 4_000, suite: 4_000 } as const
type Kind = keyof typeof kindCounts
const versionsPerName = 200
const compositeCount = 30_000
/** Every so many-th content is heavier than the policy of the benchmark lets stay. */
const heavyEvery = 4
const [heavyText, lightText, outputText] = [1_200, 300, 500].map((length) => 'x'.repeat(length))
export const heavyBytes = 1_000
const rowsPerDataset = 10
/** The others are experiments that nothing refers to. */
const referredDatasets = 3_000
/** Every so many-th composite was deployed, to staging and to production. */
const servedEvery = 5
/** Of each kind, the last one in so many is of yesterday. */
const recentOneIn = 20
const ageMs = 200 * 24 * 3_600_000
const dayMs = 24 * 3_600_000
const together = 5_000

export const versionCount = Object.values(kindCounts).reduce((sum, count) => sum + count, 0)

/** What was written, by the collection that it is in. */
export type Written = ReadonlyMap<string, number>

/**
 * Two hundred days of experiments, written past the store's API, since that would take hours. Every document is one that
 * the store itself wrote (`templates`) with other names, digests, links and times.
 */
export async function writeHistory(store: Store, templates: HistoryTemplates): Promise<Written> {
  const history = new History(store.database, templates, await store.database.now())
  await history.write()
  return history.written
}

class History {
  readonly written = new Map<string, number>()
  private readonly database: Database
  private readonly templates: HistoryTemplates
  private readonly now: number
  private readonly labels: Record<Kind, Pick<VersionDocument, '_id' | 'digest'>[]> = {
    dataset: [],
    prompt: [],
    index: [],
    suite: [],
  }
  private readonly composites: string[] = []

  constructor(database: Database, templates: HistoryTemplates, now: number) {
    this.database = database
    this.templates = templates
    this.now = now
  }

  async write(): Promise<void> {
    // What others refer to comes first.
    for (const kind of ['dataset', 'prompt', 'index', 'suite'] as const) {
      await this.inBatches(kindCounts[kind], (number) => this.version(kind, number))
    }
    await this.inBatches(compositeCount, (number) => this.composite(number))
  }

  private async inBatches(count: number, write: (number: number) => Readonly<Record<string, readonly Document[]>>) {
    for (let from = 0; from < count; from += together) {
      const batch = new Map<string, Document[]>()
      for (let number = from; number < Math.min(count, from + together); number += 1) {
        for (const [name, documents] of Object.entries(write(number))) {
          const known = batch.get(name) ?? []
          known.push(...documents)
          batch.set(name, known)
        }
      }
      for (const [name, documents] of batch) {
        await this.database.collection(name).insertMany(documents, { ordered: false })
        this.written.set(name, (this.written.get(name) ?? 0) + documents.length)
      }
    }
  }

  private at(number: number, count: number): Date {
    const isRecent = number >= count - count / recentOneIn
    return new Date(isRecent ? this.now - dayMs : this.now - ageMs + (number / count) * (ageMs / 2))
  }

  private version(kind: Kind, number: number) {
    const template = this.templates.versions[kind]
    const [name, semver] = [
      `bench-${Math.floor(number / versionsPerName)}`,
      `1.0.${(number % versionsPerName) + 1}`,
    ] as const
    const { content, references, beside } = this.contentOf(kind, number)
    const before = number % versionsPerName === 0 ? undefined : this.labels[kind].at(-1)
    const document = {
      ...template,
      _id: `${kind}/${name}@${semver}`,
      ...{ name, semver, references, position: positionOf(kind, name, semver) },
      digest: identityOf(kind, content),
      content: canonicalJson(content),
      createdAt: this.at(number, kindCounts[kind]),
      usedAt: this.at(number, kindCounts[kind]),
      parents: before === undefined ? [] : [before.digest],
    }
    this.labels[kind].push({ _id: document._id, digest: document.digest })
    return { versions: [document], ...beside }
  }

  /** Of a version: the template's, but for what makes it another one. */
  private contentOf(kind: Kind, number: number) {
    const template = this.templates.versions[kind]
    const before = JSON.parse(template.content) as Record<string, unknown>
    const refer = (dataset: string) => ({
      content: { ...before, dataset },
      references: template.references.map((one) => (one.kind === 'dataset' ? { ...one, digest: dataset } : one)),
      beside: {},
    })
    switch (kind) {
      case 'prompt': {
        const text = `Version ${number} ${number % heavyEvery === 0 ? heavyText : lightText} {{transcript}}`
        return { content: { ...before, text }, references: [], beside: {} }
      }
      case 'dataset': {
        const { root, documents } = this.rows(number)
        return { content: { ...before, root, count: rowsPerDataset }, references: [], beside: documents }
      }
      case 'index': {
        const { content, ...rest } = refer(this.pick('dataset', number % referredDatasets).digest)
        return { content: { ...content, build: { chunk: number } }, ...rest }
      }
      case 'suite':
        return refer(this.pick('dataset', number % referredDatasets).digest)
      default:
        throw new Error(`The history has no ${kind satisfies never}.`)
    }
  }

  private rows(number: number) {
    const at = this.at(number, kindCounts.dataset)
    const rows = Array.from({ length: rowsPerDataset }, (_, place) =>
      rowDocument({ id: `row-${number}-${place}`, text: lightText }, place, at),
    )
    const page = packSorted(rows.map(({ _id }) => _id))
    const hash = createRootHash()
    hash.add(page)
    const [root, name] = [hash.root(), textDigest(page)]
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0)
    const set = { ...this.templates.set, _id: root, count: rows.length, bytes, pages: [name], at }
    return { root, documents: { rows, row_pages: [{ _id: name, digests: new Binary(page), at }], row_sets: [set] } }
  }

  private pick(kind: Kind, number: number) {
    const among = this.labels[kind]
    const found = among[number % among.length]
    if (found === undefined) throw new Error(`The history has no ${kind} yet.`)
    return found
  }

  /** Composed, evaluated with one case, judged, and every so many-th deployed. */
  private composite(number: number) {
    const { templates } = this
    const indexNumber = Math.floor((number * kindCounts.index) / compositeCount)
    const prompt = this.pick('prompt', Math.floor((number * kindCounts.prompt) / compositeCount))
    const [index, dataset] = [this.pick('index', indexNumber), this.pick('dataset', indexNumber % referredDatasets)]
    const own: Readonly<Record<string, Pick<VersionDocument, '_id' | 'digest'>>> = { prompt, index }
    const pins = templates.composite.pins.map((pin) => {
      const version = own[pin.role]
      return version === undefined ? pin : { ...pin, ref: version._id, digest: version.digest }
    })
    const id = digestOf(compositeIdentity(Object.fromEntries(pins.map((pin) => [pin.role, pin]))))
    const before = this.composites.at(-1)
    const createdAt = this.at(number, compositeCount)
    this.composites.push(id)
    const closure = [...templates.composite.closure, dataset.digest, prompt.digest, index.digest]
    const parents = before === undefined ? [] : [before]
    return {
      composites: [{ ...templates.composite, _id: id, pins, closure, parents, createdAt, usedAt: createdAt }],
      ...this.judged(id, number, createdAt.getTime()),
      ...(number % servedEvery === 0 ? this.deployed(id, number) : {}),
    }
  }

  private judged(candidate: string, number: number, at: number) {
    const { verdict, evaluation, result } = this.templates
    const [suite, evaluationId] = [this.pick('suite', number).digest, randomUUID()]
    const of = { candidate, suite }
    return {
      evaluations: [{ ...evaluation, ...of, _id: evaluationId, startedAt: at, updatedAt: at }],
      verdicts: [{ ...verdict, ...of, _id: ulid(at), key: digestOf({ ...of, number }), evaluationId, at }],
      eval_results: [
        {
          ...result,
          ...{ _id: `${candidate}/${suite}/0/one`, composite: candidate, suite },
          result: { ...result.result, text: outputText, call: digestOf({ candidate }), evaluationId, measuredAt: at },
        },
      ],
    }
  }

  private deployed(incumbent: string, number: number) {
    const seq = Math.floor(number / servedEvery) + 1
    const allocations = this.templates.entries.map((entry) => ({
      ...entry,
      ...{ _id: `${entry.environment}/bench-${number % versionsPerName}/${seq}`, seq, incumbent },
      ...{ task: `bench-${number % versionsPerName}`, key: `bench-${number}/settle/append` },
    }))
    return { allocations }
  }
}
