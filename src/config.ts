import { createSecretKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { SluiceError } from './errors'

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** Where an engine's symbolic endpoint name leads at run time. */
export interface Endpoint {
  readonly url: string
  /** The variable the key was read from, for messages; the key itself never is printed. */
  readonly apiKeyEnv?: string
  readonly apiKey?: string
  /** Calls in flight at the same time; absent: 8. */
  readonly concurrency?: number
}

/** Every setting of the product, validated. What is absent was not set. */
export interface Config {
  readonly mongodbUri?: string
  readonly database: string
  /** `host:port` of Temporal's front end. */
  readonly temporalAddress?: string
  readonly temporalUiUrl?: string
  readonly namespace: string
  /** The address the HTTP API listens on. */
  readonly host: string
  readonly port?: number
  readonly endpoints: Readonly<Record<string, Endpoint>>
  /** The API that CLI and SDK talk to. */
  readonly url?: string
  readonly apiKey?: string
  readonly logLevel: LogLevel
  /** How often the schedule of retention starts. */
  readonly gcEveryHours: number
  /** Data of instances that run in this checkout. Absolute. */
  readonly folder: string
  /** Provisioned binaries, shared between checkouts. Absolute. */
  readonly cacheFolder: string
  /** A bundle of the workflows built ahead; absent, the worker bundles when it starts. Absolute. */
  readonly workflowBundle?: string
  readonly chromium?: string
  readonly testServer?: string
}

/** What the server and the worker cannot do without. */
export interface ServerConfig extends Config {
  readonly mongodbUri: string
  readonly temporalAddress: string
}

export const defaultPort = 7420
const defaultGcHours = 24

interface Setting {
  readonly takes: string
  readonly otherwise: string
}

/** Every environment variable that is read, with what it takes; `docs/setup.md` is checked against it. */
export const settings = {
  MONGODB_URI: { takes: 'a mongodb:// or mongodb+srv:// URI of a replica set', otherwise: 'an embedded MongoDB' },
  SLUICE_DATABASE: { takes: 'a database name of letters, digits, _ and -', otherwise: 'sluice' },
  TEMPORAL_ADDRESS: { takes: 'host:port of the Temporal front end', otherwise: 'an embedded Temporal' },
  TEMPORAL_UI_URL: { takes: 'the http(s) URL of the Temporal UI, for links', otherwise: 'no links to it' },
  SLUICE_NAMESPACE: { takes: 'the name of a Temporal namespace', otherwise: 'default' },
  SLUICE_HOST: { takes: 'the address the API listens on', otherwise: '127.0.0.1' },
  SLUICE_PORT: { takes: 'a port from 0 (any free one) to 65535', otherwise: `${defaultPort}` },
  SLUICE_ENDPOINTS: {
    takes: 'JSON: {"name": {"url": "http(s)://…", "apiKeyEnv": "VARIABLE", "concurrency": 8}}',
    otherwise: 'no endpoints',
  },
  SLUICE_CAPTURE_KEY: {
    takes: '32 random bytes as base64, or the path of a file of them, one a line, the current one first',
    otherwise: 'nothing is captured',
  },
  SLUICE_URL: { takes: 'the http(s) URL of the API, for CLI and SDK', otherwise: 'what .sluice/run.json says' },
  SLUICE_API_KEY: { takes: 'an API key, for CLI and SDK', otherwise: 'the key file .sluice/run.json names' },
  SLUICE_LOG_LEVEL: { takes: logLevels.join(', '), otherwise: 'info' },
  SLUICE_GC_EVERY_HOURS: {
    takes: 'hours between two scheduled runs of retention, from 1 to 720',
    otherwise: `${defaultGcHours}`,
  },
  SLUICE_FOLDER: { takes: 'a folder for the data of instances', otherwise: '.sluice' },
  SLUICE_CACHE: { takes: 'a folder for provisioned binaries', otherwise: '~/.cache/sluice' },
  SLUICE_WORKFLOW_BUNDLE: { takes: 'the path of a built workflow bundle', otherwise: 'bundled at start' },
  SLUICE_CHROMIUM: { takes: 'the path of a Chromium binary', otherwise: 'one found or installed' },
  SLUICE_TEST_SERVER: { takes: 'the path of a Temporal test server', otherwise: 'one provisioned' },
} as const satisfies Record<string, Setting>

export type SettingName = keyof typeof settings
export type Environment = Readonly<Record<string, string | undefined>>

/** Reads every setting. Throws `invalid_config` naming the variable and what it takes. */
export function readConfig(environment: Environment = process.env): Config {
  const read = (name: SettingName): string | undefined => environment[name]?.trim() || undefined
  const port = read('SLUICE_PORT')
  return {
    ...optional('mongodbUri', checked(read, 'MONGODB_URI', /^mongodb(\+srv)?:\/\/\S+$/)),
    database: checked(read, 'SLUICE_DATABASE', /^[A-Za-z0-9_-]{1,38}$/) ?? 'sluice',
    ...optional('temporalAddress', checked(read, 'TEMPORAL_ADDRESS', /^(\[[0-9a-fA-F:]+\]|[\w.-]+):\d{1,5}$/)),
    ...optional('temporalUiUrl', webUrl(read, 'TEMPORAL_UI_URL')),
    namespace: checked(read, 'SLUICE_NAMESPACE', /^[A-Za-z0-9][\w.-]{0,199}$/) ?? 'default',
    host: checked(read, 'SLUICE_HOST', /^[\w.:-]+$/) ?? '127.0.0.1',
    ...optional('port', port === undefined ? undefined : portOf(port)),
    endpoints: endpointsOf(read('SLUICE_ENDPOINTS'), environment),
    ...optional('url', webUrl(read, 'SLUICE_URL')),
    ...optional('apiKey', read('SLUICE_API_KEY')),
    logLevel: logLevelOf(read('SLUICE_LOG_LEVEL') ?? 'info'),
    gcEveryHours: gcHoursOf(read('SLUICE_GC_EVERY_HOURS') ?? `${defaultGcHours}`),
    folder: resolve(read('SLUICE_FOLDER') ?? '.sluice'),
    cacheFolder: resolve(read('SLUICE_CACHE') ?? join(homedir(), '.cache', 'sluice')),
    ...optional('workflowBundle', absolute(read('SLUICE_WORKFLOW_BUNDLE'))),
    ...optional('chromium', absolute(read('SLUICE_CHROMIUM'))),
    ...optional('testServer', absolute(read('SLUICE_TEST_SERVER'))),
  }
}

/** The settings of a server or worker process, which is told where MongoDB and Temporal are. */
export function requireServers(config: Config): ServerConfig {
  const { mongodbUri, temporalAddress } = config
  if (mongodbUri === undefined) throw missing('MONGODB_URI')
  if (temporalAddress === undefined) throw missing('TEMPORAL_ADDRESS')
  return { ...config, mongodbUri, temporalAddress }
}

/** What a program needs to find its own programs, files and language. */
const bareNames = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TMPDIR', 'TZ', 'SystemRoot', 'PATHEXT', 'TEMP', 'USERPROFILE']

/** This process's environment without anything that is none of a foreign command's business, such as API keys. */
export const bareEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(bareNames.map((name) => [name, process.env[name]]))

const captureKeyBytes = 32
const maxCaptureKeys = 16

/**
 * The master keys of captured content, the current one first; none: nothing can be captured. Only the server asks, so no
 * other process ever holds them. Throws `invalid_config` without a word of what the variable or the file holds.
 */
export function readCaptureKeys(environment: Environment = process.env): readonly KeyObject[] {
  const setting = environment.SLUICE_CAPTURE_KEY?.trim()
  if (!setting) return []
  const own = captureKey(setting)
  if (own !== undefined) return [own]
  const lines = fileLines(setting)
  if (lines.length === 0 || lines.length > maxCaptureKeys) {
    throw invalid('SLUICE_CAPTURE_KEY', `names a file of ${lines.length} keys`)
  }
  return lines.map((line, index) => {
    const key = captureKey(line)
    if (key === undefined) throw invalid('SLUICE_CAPTURE_KEY', `names a file whose key ${index + 1} is not 32 bytes`)
    return key
  })
}

/** Undefined: the text is no key, and so perhaps a path. */
function captureKey(text: string): KeyObject | undefined {
  const bytes = Buffer.from(text, 'base64')
  const isKey = bytes.length === captureKeyBytes && bytes.toString('base64') === text
  return isKey ? createSecretKey(bytes) : undefined
}

function fileLines(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((line) => line.trim() || [])
  } catch {
    throw invalid('SLUICE_CAPTURE_KEY', 'is neither a key nor a file that can be read')
  }
}

/** The environment of a child process: this one's, with some variables set or (undefined) taken away. */
export function childEnvironment(changes: Environment): NodeJS.ProcessEnv {
  const merged: NodeJS.ProcessEnv = { ...process.env }
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) delete merged[name]
    else merged[name] = value
  }
  return merged
}

type Read = (name: SettingName) => string | undefined

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V }
}

function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path)
}

function invalid(name: SettingName, problem: string): SluiceError {
  return new SluiceError('invalid_config', `${name} ${problem}. It takes ${settings[name].takes}.`, { variable: name })
}

function missing(name: SettingName): SluiceError {
  return invalid(name, 'is not set, and this process starts no servers of its own')
}

/** The value itself is kept out of the message: a MongoDB URI carries a password. */
function checked(read: Read, name: SettingName, shape: RegExp): string | undefined {
  const value = read(name)
  if (value !== undefined && !shape.test(value)) throw invalid(name, 'has a value that cannot be read')
  return value
}

function webUrl(read: Read, name: SettingName): string | undefined {
  const value = checked(read, name, /^https?:\/\/\S+$/)
  if (value !== undefined && !URL.canParse(value)) throw invalid(name, 'is not a URL')
  return value?.replace(/\/+$/, '')
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1
  if (port < 0 || port > 65_535) throw invalid('SLUICE_PORT', `is ${JSON.stringify(text)}`)
  return port
}

const maxGcHours = 720

function gcHoursOf(text: string): number {
  const hours = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (hours < 1 || hours > maxGcHours) throw invalid('SLUICE_GC_EVERY_HOURS', `is ${JSON.stringify(text)}`)
  return hours
}

function logLevelOf(text: string): LogLevel {
  const level = logLevels.find((known) => known === text)
  if (level === undefined) throw invalid('SLUICE_LOG_LEVEL', `is ${JSON.stringify(text)}`)
  return level
}

function endpointsOf(text: string | undefined, environment: Environment): Readonly<Record<string, Endpoint>> {
  if (text === undefined) return {}
  const parsed = parseJson(text)
  if (!isRecord(parsed)) throw invalid('SLUICE_ENDPOINTS', 'is not a JSON object')
  return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [name, endpointOf(name, value, environment)]))
}

function endpointOf(name: string, value: unknown, environment: Environment): Endpoint {
  const refuse = (problem: string): SluiceError =>
    invalid('SLUICE_ENDPOINTS', `has an endpoint ${name} that ${problem}`)
  if (!isRecord(value)) throw refuse('is not an object')
  const { url, apiKeyEnv, concurrency, ...unknown } = value
  const [stray] = Object.keys(unknown)
  if (stray !== undefined) throw refuse(`has the unknown field ${stray}`)
  if (typeof url !== 'string' || !/^https?:\/\//.test(url) || !URL.canParse(url)) throw refuse('has no http(s) url')
  if (concurrency !== undefined && !isConcurrency(concurrency)) {
    throw refuse(`has a concurrency that is no whole number from 1 to ${maxConcurrency}`)
  }
  const place = { url, ...(concurrency === undefined ? {} : { concurrency }) }
  if (apiKeyEnv === undefined) return place
  if (typeof apiKeyEnv !== 'string') throw refuse('has an apiKeyEnv that is not a string')
  const apiKey = environment[apiKeyEnv]
  if (!apiKey) throw refuse(`names ${apiKeyEnv} for its key, which is not set`)
  return { ...place, apiKeyEnv, apiKey }
}

const maxConcurrency = 1_000
const isConcurrency = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 1 && Number(value) <= maxConcurrency

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalid('SLUICE_ENDPOINTS', 'is not JSON')
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
