import type { ClientSession } from 'mongodb'
import type { CompositeRecord, CompositeVerification, ServedComposite } from '../domain/composite'
import type { Imported } from '../domain/composite-file'
import type { CompositeDiff, VersionDiff } from '../domain/diff'
import type { CheckedItem, Registered, Registration, VersionFilter, VersionSummary } from '../domain/registration'
import type { DatasetRow } from '../domain/row-change'
import type { TaskDefinition, TaskDraft } from '../domain/task'
import type { Digest, KindName, Version } from '../domain/version'
import type { RowSet } from '../kinds/kind'
import { claimCollections } from './claims'
import { compositeCollections } from './composite-documents'
import { exportComposite } from './composite-export'
import { type ImportOptions, importComposite } from './composite-import'
import type { VerifyOptions } from './composite-verify'
import { createCompositeStore } from './composites'
import type { CollectionSpec, Database } from './database'
import { createRowDiffer, type RowDiffer } from './row-diff'
import { rowCollections } from './row-documents'
import { createRowReader, type RowText } from './row-reader'
import { createRowStore, type PutRows } from './rows'
import { createTaskStore, taskCollections } from './tasks'
import { versionCollections } from './version-documents'
import { createVersionStore } from './versions'
import { checkWorkspace } from './workspace-check'

/**
 * Versions, composites and tasks. Versions and composites never change once written; every write is majority-committed
 * and safe from several processes at once. References are `kind/name@semver` or `kind/name@sha256:…`.
 */
export interface Catalog {
  /** Throws invalid_content, unknown_ref, malformed_ref, version_exists, semver_understated, immutable_field. */
  register(registration: Registration): Promise<Registered>
  /** What registering all of these in order, then putting the tasks, would do; writes nothing but rows that stand in a draft. */
  check(registrations: readonly Registration[], tasks: readonly TaskDraft[]): Promise<readonly CheckedItem[]>
  /** Throws unknown_ref, malformed_ref. */
  version(ref: string): Promise<Version>
  byDigest(kind: KindName, digest: Digest): Promise<Version>
  /** Ordered by kind, name and semver. */
  versions(filter: VersionFilter): Promise<readonly Version[]>
  summaries(filter: VersionFilter): Promise<readonly VersionSummary[]>
  diff(from: string, to: string): Promise<VersionDiff>

  /** Stores at most `maxPutRows` rows by digest; a row stored before may be given as its digest. Throws invalid_content. */
  putRows(rows: readonly unknown[]): Promise<PutRows>
  /** One set of rows of at most `maxMergedSets` sets. Throws unknown_ref, invalid_content. */
  mergeSets(roots: readonly Digest[]): Promise<RowSet>
  /** Throws unknown_ref. */
  rowSet(root: Digest): Promise<RowSet>
  /** The rows of a dataset version, by its content's `root`, in order of their digests. Throws unknown_ref. */
  rows(root: Digest): AsyncIterable<DatasetRow>
  /** The same as RFC 8785 texts, from the row at place `from`. */
  rowTexts(root: Digest, from?: number): AsyncIterable<RowText>
  /** What differs between two sets of rows, page by page. Throws unknown_ref. */
  diffRows: RowDiffer['diffRows']

  /**
   * Role → reference (the kind is implied by a role named after it). Idempotent: same pins, same id. `parents` are what it
   * was derived from, committed before it; one that stands takes those that are older than itself.
   */
  commitComposite(roles: Readonly<Record<string, string>>, parents?: readonly Digest[]): Promise<CompositeRecord>
  /** Throws not_found. */
  compositeRecord(id: Digest): Promise<CompositeRecord>
  /** Throws not_found. */
  composite(id: Digest): Promise<ServedComposite>
  /** In the order asked for; throws not_found where one is missing. */
  compositesByIds(ids: readonly Digest[]): Promise<readonly ServedComposite[]>
  diffComposites(from: Digest, to: Digest): Promise<CompositeDiff>
  /** Computes every digest of its closure again from what is stored, rows too unless told otherwise. Throws not_found, or the signal's reason. */
  verifyComposite(id: Digest, options?: VerifyOptions): Promise<CompositeVerification>
  /** The text of a composite with all that it rests on, line by line. Throws not_found, unknown_ref, digest_mismatch. */
  exportComposite(id: Digest, options: { readonly rows: boolean }): Promise<AsyncIterable<string>>
  /** Throws digest_mismatch naming what was altered, malformed_file, version_exists, semver_understated. */
  importComposite(bytes: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<Imported>

  /** Once under a `key`. */
  putTask(task: TaskDraft, author: string, key?: string): Promise<TaskDefinition>
  /** Throws unknown_task. */
  task(name: string, session?: ClientSession): Promise<TaskDefinition>
  tasks(): Promise<readonly TaskDefinition[]>
}

export const catalogCollections: readonly CollectionSpec[] = [
  ...versionCollections,
  ...claimCollections,
  ...rowCollections,
  ...compositeCollections,
  ...taskCollections,
]

export function createCatalog(database: Database): Catalog {
  const rows = createRowStore(database)
  const reader = createRowReader(database)
  return {
    ...createVersionStore(database, rows),
    ...createCompositeStore(database),
    ...createTaskStore(database),
    exportComposite: (id, options) => exportComposite({ database, rows }, id, options),
    importComposite: (bytes, options) => importComposite({ database, rows }, bytes, options),
    check: (registrations, tasks) => checkWorkspace(database, rows, { registrations, tasks }),
    putRows: rows.putRows,
    mergeSets: rows.mergeSets,
    rowSet: rows.rowSet,
    async *rows(root) {
      for await (const { digest, text } of reader.texts(root)) yield { digest, row: JSON.parse(text) }
    },
    rowTexts: reader.texts,
    diffRows: createRowDiffer(database, reader).diffRows,
  }
}
