/** The layout as data: who may import whom. Folders of `src/` and the top-level folders are rooms. */
export type RoomName = keyof typeof rooms

export interface Room {
  /** Matches the files of this room. */
  readonly path: RegExp
  /** Rooms it may import. Its own is always allowed. */
  readonly rooms: readonly string[] | 'any'
  /** Packages it may import; `node` stands for Node's own modules. */
  readonly packages: readonly string[] | 'any'
  /** Rooms of which it may import types. */
  readonly types?: readonly string[]
  /** Single files that may import more. */
  readonly files?: readonly { readonly from: RegExp; readonly to: RegExp }[]
}

const pure = ['stats', 'domain', 'errors'] as const
const registries = ['kinds', 'metrics', 'scorers', 'notify', 'engines', 'probes'] as const
const registry = [...pure, 'log'] as const

/** What workflows tell others: messages, search attributes, task queues. */
const workflowWords = /^workflows\/(messages|search-attributes|task-queues|workflow-ids)\.ts$/
/** Loaded only by who runs them, so that no other command waits for the libraries of the servers. */
const storeCommands = /^src\/cli\/(up|doctor|commands\/reconcile)\.ts$/

export const rooms = {
  errors: { path: /^src\/errors\.ts$/, rooms: [], packages: [] },
  stats: { path: /^src\/stats\//, rooms: ['errors'], packages: [] },
  domain: { path: /^src\/domain\//, rooms: pure, packages: ['semver'] },
  kinds: { path: /^src\/kinds\//, rooms: registry, packages: ['zod', 'semver', 'ajv', 'ajv-formats', 'yaml'] },
  metrics: { path: /^src\/metrics\//, rooms: registry, packages: [] },
  scorers: { path: /^src\/scorers\//, rooms: registry, packages: ['zod', 'ajv', 'ajv-formats', 'node'] },
  notify: { path: /^src\/notify\//, rooms: registry, packages: ['zod', 'node'] },
  probes: { path: /^src\/probes\//, rooms: registry, packages: ['node'] },
  engines: { path: /^src\/engines\//, rooms: registry, packages: ['zod', 'node', 'undici'] },
  /** How a composite answers one request; applications and evaluations go through it alike. */
  pipeline: { path: /^src\/pipeline\//, rooms: [...pure, 'kinds'], packages: [] },
  store: {
    path: /^src\/store\//,
    rooms: [...registry, ...registries, 'pipeline'],
    packages: ['mongodb', 'node', 'canonicalize', 'ulid', 'zod'],
  },
  sdk: {
    path: /^src\/sdk\//,
    rooms: [...pure, ...registries, 'pipeline'],
    packages: ['node', 'eventsource-parser', 'ajv', 'ajv-formats'],
  },
  log: { path: /^src\/log\.ts$/, rooms: ['errors'], types: ['config'], packages: ['pino', 'node'] },
  config: { path: /^src\/config\.ts$/, rooms: ['errors', 'domain'], packages: ['node', 'zod'] },
  embedded: {
    path: /^src\/embedded\//,
    rooms: ['errors', 'log', 'config'],
    packages: ['node', 'mongodb', 'mongodb-memory-server-core', '@temporalio/*', 'semver'],
    files: [
      { from: /^src\/embedded\//, to: workflowWords },
      { from: /^src\/embedded\/admin-key\.ts$/, to: /^src\/store\/store\.ts$/ },
    ],
  },
  temporal: {
    path: /^src\/temporal\.ts$/,
    rooms: [...pure, 'log'],
    types: ['config', 'workflows'],
    packages: ['node', '@temporalio/*', 'ulid'],
    files: [{ from: /temporal/, to: workflowWords }],
  },
  api: {
    path: /^src\/(api|console)\//,
    rooms: [...registry, ...registries, 'store', 'temporal'],
    types: ['workflows', 'config'],
    packages: ['node', 'fastify', 'fastify-type-provider-zod', '@fastify/*', 'zod', 'ulid', 'yaml'],
    files: [{ from: /^src\/api\//, to: workflowWords }],
  },
  cli: {
    path: /^src\/cli\//,
    rooms: [...registry, ...registries, 'temporal'],
    types: ['workflows', 'api', 'store'],
    packages: ['node', 'commander', 'yaml', 'zod', 'semver'],
    files: [
      { from: /^src\/cli\//, to: workflowWords },
      { from: storeCommands, to: /^src\/store\// },
      // Digests are computed and keys drawn on both sides; none of these files opens anything.
      { from: /^src\/cli\//, to: /^src\/store\/(api-key|canonical|row-digests)\.ts$/ },
      { from: storeCommands, to: /^src\/config\.ts$/ },
      { from: /^src\/cli\/up\.ts$/, to: /^src\/(embedded\/|server\.ts|worker\.ts)/ },
      { from: /^src\/cli\/(main|step-command)\.ts$/, to: /^src\/config\.ts$/ },
      { from: /^src\/cli\/commands\/reconcile\.ts$/, to: /^src\/reconciler\.ts$/ },
    ],
  },
  roots: { path: /^src\/(worker|server|main|reconciler|live-judges)\.ts$/, rooms: 'any', packages: 'any' },
  workflows: {
    path: /^workflows\//,
    rooms: pure,
    types: ['activities'],
    packages: ['@temporalio/workflow', '@temporalio/common'],
  },
  activities: {
    path: /^activities\//,
    rooms: [...registry, ...registries, 'pipeline', 'store', 'sdk'],
    types: ['workflows'],
    packages: ['node', 'ulid', '@temporalio/activity', '@temporalio/common'],
  },
  examples: { path: /^examples\//, rooms: 'any', packages: 'any' },
  tools: { path: /^tools\//, rooms: 'any', packages: 'any' },
  bench: { path: /^bench\//, rooms: 'any', packages: 'any' },
} as const satisfies Record<string, Room>

/** The room of a file; absent for files outside the layout. */
export function roomOf(path: string): RoomName | undefined {
  const names = Object.keys(rooms) as RoomName[]
  return names.find((name) => rooms[name].path.test(path))
}
