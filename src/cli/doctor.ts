import { type Config, readConfig } from '../config'
import { SluiceError } from '../errors'
import { type Database, openDatabase } from '../store/database'
import { storeOn } from '../store/store'
import { connectTemporal, inspectTemporal, type TemporalReport } from '../temporal'
import { type Cli, CommandEnded } from './cli'
import { type Finding, look, ok, wrong } from './finding'
import { laneFindings } from './lane-health'
import { type HealthDeps, releaseFindings } from './release-health'
import { findServers } from './servers'
import { countText } from './wording'

/** Asks every part, and says what is wrong with it. */
export async function examine(cli: Cli): Promise<void> {
  const config = readConfig(cli.environment)
  const { mongodbUri, temporalAddress } = findServers(config, cli.directory)
  const [mongo, temporal] = await Promise.all([
    examineMongo(mongodbUri, config.database),
    examineTemporal(temporalAddress, config.namespace),
  ])
  try {
    const inside =
      mongo.database === undefined ? [] : await examineStore(mongo.database, temporalAddress, temporal, config)
    report(cli, [await examineApi(cli), ...mongo.findings, ...temporal.findings, ...inside])
  } finally {
    await mongo.database?.close()
  }
}

async function examineApi({ api }: Cli): Promise<Finding> {
  try {
    await api.get('/healthz')
    return ok('API', `answers at ${api.url}`)
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    if (error.code === 'invalid_config') return look('API', error.message, 'the servers below are examined without it')
    return wrong(
      'API',
      error.message,
      'start it: sluice up, or node dist/src/server.js with the settings of docs/setup.md',
    )
  }
}

interface MongoExam {
  readonly findings: readonly Finding[]
  /** Open, where it can be worked with. */
  readonly database?: Database
}

const oldestMongo = 6

async function examineMongo(uri: string | undefined, name: string): Promise<MongoExam> {
  if (uri === undefined) {
    return { findings: [wrong('MongoDB', 'where it is, is not known', 'set MONGODB_URI, or run sluice up here')] }
  }
  let database: Database
  try {
    database = await openDatabase(uri, name)
  } catch (error) {
    const text = `does not answer: ${(error as Error).message}`
    return { findings: [wrong('MongoDB', text, 'start it or correct MONGODB_URI; applications serve what they know')] }
  }
  const findings = await serverFindings(database)
  const isEmpty = (await database.db.listCollections({}, { nameOnly: true }).toArray()).length === 0
  if (!isEmpty) return { findings, database }
  await database.close()
  const empty = look('MongoDB', `the database ${name} is empty`, 'start a server once, or correct SLUICE_DATABASE')
  return { findings: [...findings, empty] }
}

async function serverFindings({ db }: Database): Promise<readonly Finding[]> {
  const { version } = (await db.admin().buildInfo()) as { version: string }
  const hello = await db.command({ hello: 1 })
  if (typeof hello.setName !== 'string') {
    return [
      wrong(
        'MongoDB',
        `${version} is no replica set, so it has no transactions`,
        'start mongod with --replSet; one node is enough',
      ),
    ]
  }
  if (hello.isWritablePrimary !== true) {
    return [
      wrong(
        'MongoDB',
        `${version}: this node of ${hello.setName} is not the primary`,
        'name the whole set in MONGODB_URI, or wait for an election',
      ),
    ]
  }
  if (Number.parseInt(version, 10) < oldestMongo) {
    return [wrong('MongoDB', `${version} is too old`, `run version ${oldestMongo} or later`)]
  }
  return [ok('MongoDB', `${version}, replica set ${hello.setName}, database ${db.databaseName}`)]
}

interface TemporalExam {
  readonly findings: readonly Finding[]
  readonly answers: boolean
}

async function examineTemporal(address: string | undefined, namespace: string): Promise<TemporalExam> {
  if (address === undefined) {
    const finding = wrong('Temporal', 'where it is, is not known', 'set TEMPORAL_ADDRESS, or run sluice up here')
    return { findings: [finding], answers: false }
  }
  try {
    const found = await inspectTemporal(address, namespace)
    return { findings: temporalFindings(found, address, namespace), answers: found.hasNamespace }
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    const remedy = 'start it or correct TEMPORAL_ADDRESS; releases stand still, sluice rollback works without it'
    return { findings: [wrong('Temporal', error.message, remedy)], answers: false }
  }
}

function temporalFindings(found: TemporalReport, address: string, namespace: string): readonly Finding[] {
  const { version, hasNamespace, missingSearchAttributes, workers } = found
  if (!hasNamespace) {
    const remedy = `temporal operator namespace create ${namespace}, or correct SLUICE_NAMESPACE`
    return [wrong('Temporal', `${version} at ${address} has no namespace ${namespace}`, remedy)]
  }
  const missing = missingSearchAttributes.map((name) => `--name ${name} --type Keyword`)
  const idle = Object.entries(workers).filter(([, count]) => count === 0)
  return [
    ok('Temporal', `${version} at ${address}, namespace ${namespace}`),
    ...(missing.length === 0
      ? []
      : [
          wrong(
            'Temporal',
            `search attributes are missing: ${missingSearchAttributes.join(', ')}`,
            `sluice up registers them; by hand: temporal operator search-attribute create ${missing.join(' ')}`,
          ),
        ]),
    ...idle.map(([queue]) =>
      wrong(
        'workers',
        `none asks the task queue ${queue} for work`,
        'start one: sluice up, or node dist/src/worker.js',
      ),
    ),
    ...(idle.length === 0 ? [ok('workers', workersText(workers))] : []),
  ]
}

const workersText = (workers: TemporalReport['workers']): string =>
  Object.entries(workers)
    .map(([queue, count]) => `${count} on ${queue}`)
    .join(', ')

async function examineStore(
  database: Database,
  address: string | undefined,
  temporal: TemporalExam,
  { namespace }: Config,
): Promise<readonly Finding[]> {
  const store = storeOn(database)
  const orchestrator = temporal.answers && address !== undefined ? await connectTemporal(address, namespace) : undefined
  try {
    const deps: HealthDeps = { store, ...(orchestrator ? { orchestrator } : {}) }
    const lanes = await store.ledger.lanes()
    return [...(await releaseFindings(deps, lanes)), ...(await laneFindings(store, lanes))]
  } catch (error) {
    const text = `could not be read: ${(error as Error).message}`
    return [wrong('MongoDB', text, 'ask again in a moment; when it stays, see its log')]
  } finally {
    await orchestrator?.close()
  }
}

const marks = { ok: 'ok    ', look: 'look  ', wrong: 'WRONG ' } as const

function report({ print }: Cli, findings: readonly Finding[]): void {
  const wrongs = findings.filter(({ level }) => level === 'wrong').length
  print.data({ healthy: wrongs === 0, findings })
  for (const { level, about, text, remedy } of findings) {
    print.line(`${marks[level]} ${about}: ${text}`)
    if (remedy !== undefined) print.line(`        → ${remedy}`)
  }
  print.line()
  print.line(wrongs === 0 ? 'Nothing is wrong.' : `${countText(wrongs, 'thing')} to mend.`)
  if (wrongs > 0) throw new CommandEnded('failed')
}
