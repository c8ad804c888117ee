import { isRecord } from '../../domain/diff'
import type { KindName } from '../../domain/version'
import { SluiceError } from '../../errors'
import { kindOf } from '../../kinds'
import { parseDraft } from '../../kinds/kind'
import { canonicalJson } from '../../store/canonical'
import type { WorkspaceDraft } from '../workspace-text'
import type { ImportSource } from './source'

/** A foreign format: what it is called on the command line, and how a file or folder of it becomes versions. */
export interface Importer {
  readonly name: string
  /** One line for people. */
  readonly reads: string
  /** Adds to `into` everything that the source says, or what of it cannot be taken over. Throws `malformed_file`. */
  convert(source: ImportSource, into: Imported, settings: ImportSettings): void
}

/** USD per million tokens. */
export interface Price {
  readonly input: number
  readonly cachedInput: number
  readonly output: number
}

/** What no foreign file says and an engine needs. */
export interface ImportSettings {
  /** Of a model, as the file names it. */
  priceOf(model: string): Price | undefined
}

/** Something of the source that no version holds. `lost` changes what is served or tested; `noted` does not. */
export interface Leftover {
  readonly weight: 'lost' | 'noted'
  /** The file, and the place within. */
  readonly at: string
  readonly what: string
  readonly why: string
}

export type ImportedDraft = WorkspaceDraft & { readonly rows?: readonly Readonly<Record<string, unknown>>[] }

/** A version to make; without a semver it gets the next major one of its name. */
export interface NewDraft {
  readonly kind: KindName
  /** As the source says it; made into a name. */
  readonly name: string
  readonly semver?: string
  readonly description: string
  readonly author?: string
  readonly provenance?: Readonly<Record<string, unknown>>
  readonly content: unknown
  /** Where it stands in the source. */
  readonly at: string
}

/** What an import made so far. */
export interface Imported {
  /** Answers `name@semver`; undefined where the content does not fit its kind, which is then lost. */
  add(draft: NewDraft): string | undefined
  addRows(draft: Omit<NewDraft, 'content' | 'kind'>, rows: readonly Readonly<Record<string, unknown>>[]): string
  lost(at: string, what: string, why: string): void
  noted(at: string, what: string, why: string): void
  readonly drafts: readonly ImportedDraft[]
  readonly leftovers: readonly Leftover[]
}

const maxDrafts = 2000
const maxLeftovers = 10_000

export function createImported(): Imported {
  const drafts = new Map<string, ImportedDraft>()
  const leftovers = new Map<string, Leftover>()
  /** Kind and source name → name. */
  const names = new Map<string, string>()

  const leave = (leftover: Leftover): void => {
    if (leftovers.size >= maxLeftovers) {
      throw new SluiceError('malformed_file', `More than ${maxLeftovers} things cannot be taken over.`)
    }
    leftovers.set(JSON.stringify(leftover), leftover)
  }
  const nameFor = (kind: KindName, text: string, at: string): string => {
    const key = `${kind} ${text}`
    const known = names.get(key)
    if (known !== undefined) return known
    const taken = new Set([...names].filter(([other]) => other.startsWith(`${kind} `)).map(([, name]) => name))
    const plain = plainName(text, kind)
    const name = taken.has(plain) ? unusedName(plain, taken) : plain
    names.set(key, name)
    if (name !== text) leave({ weight: 'noted', at, what: `the name ${text}`, why: `it is ${name} here` })
    return name
  }
  const keep = ({ at, ...draft }: NewDraft, rows?: ImportedDraft['rows']): string => {
    const { kind, semver: wanted, content, ...rest } = draft
    const name = nameFor(kind, draft.name, at)
    const said = canonicalJson(rows === undefined ? content : { rows })
    const same = [...drafts.values()].find(
      (other) => other.kind === kind && other.name === name && meaning(other) === said,
    )
    if (same !== undefined && (wanted === undefined || wanted === same.semver)) return `${name}@${same.semver}`
    const semver = wanted ?? nextMajor(drafts, kind, name)
    const ref = `${kind}/${name}@${semver}`
    if (drafts.has(ref)) throw new SluiceError('malformed_file', `${at}: ${ref} stands there twice.`, { at })
    if (drafts.size >= maxDrafts)
      throw new SluiceError('malformed_file', `The source makes more than ${maxDrafts} versions.`)
    const held = rows === undefined ? { content } : { rows }
    drafts.set(ref, { ...rest, kind, name, semver, ...held })
    return `${name}@${semver}`
  }
  return {
    add(draft) {
      try {
        parseDraft(kindOf(draft.kind), draft.content, `the ${draft.kind} ${draft.name}`)
      } catch (error) {
        if (!(error instanceof SluiceError)) throw error
        leave({ weight: 'lost', at: draft.at, what: `the ${draft.kind} ${draft.name}`, why: error.message })
        return undefined
      }
      return keep(draft)
    },
    addRows: (draft, rows) => keep({ ...draft, kind: 'dataset', content: undefined }, rows),
    lost: (at, what, why) => leave({ weight: 'lost', at, what, why }),
    noted: (at, what, why) => leave({ weight: 'noted', at, what, why }),
    get drafts() {
      return [...drafts.values()]
    },
    get leftovers() {
      return [...leftovers.values()]
    },
  }
}

const meaning = ({ rows, content }: ImportedDraft): string => canonicalJson(rows === undefined ? content : { rows })

const maxName = 100

/** Names take a-z, 0-9, dot, dash and underscore. */
function plainName(text: string, kind: KindName): string {
  const plain = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .replace(/-+$/, '')
    .slice(0, maxName)
  return plain === '' ? kind : plain
}

function unusedName(plain: string, taken: ReadonlySet<string>): string {
  for (let number = 2; number <= maxDrafts + 1; number += 1) {
    const ending = `-${number}`
    const name = `${plain.slice(0, maxName - ending.length)}${ending}`
    if (!taken.has(name)) return name
  }
  throw new SluiceError('malformed_file', `More than ${maxDrafts} things are named ${plain}.`)
}

function nextMajor(drafts: ReadonlyMap<string, ImportedDraft>, kind: KindName, name: string): string {
  for (let major = 1; major <= maxDrafts + 1; major += 1) {
    if (!drafts.has(`${kind}/${name}@${major}.0.0`)) return `${major}.0.0`
  }
  throw new SluiceError('malformed_file', `${kind}/${name} has more than ${maxDrafts} versions.`)
}

/** A member of a record of the source; undefined for anything else. */
export const textIn = (record: unknown, key: string): string | undefined => {
  const value = isRecord(record) && Object.hasOwn(record, key) ? record[key] : undefined
  return typeof value === 'string' ? value : undefined
}
