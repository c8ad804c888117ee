import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { settings } from '../../src/config'
import { serverCommand, workerCommand } from '../../src/embedded/product'
import { searchAttributes } from '../../workflows/search-attributes'

interface Service {
  readonly image: string
  readonly build?: string
  readonly restart?: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly healthcheck?: { readonly test: readonly string[]; readonly retries: number }
}

const root = join(__dirname, '..', '..')
const text = (path: string): string => readFileSync(join(root, path), 'utf8')
const compose = parse(text('docker-compose.yml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}
const services = Object.entries(compose.services)
const product = ['admin-key', 'server', 'worker'] as const
const service = (name: string): Service => {
  const found = compose.services[name]
  if (found === undefined) throw new Error(`docker-compose.yml has no service ${name}`)
  return found
}

describe('docker-compose.yml', () => {
  it('runs Temporal with its database and UI, MongoDB, server and worker, each image at a version', () => {
    expect(Object.fromEntries(services.map(([name, { image }]) => [name, image.replace(/:.*/, '')]))).toEqual({
      postgresql: 'postgres',
      'temporal-schema': 'temporalio/admin-tools',
      temporal: 'temporalio/server',
      'temporal-setup': 'temporalio/admin-tools',
      'temporal-ui': 'temporalio/ui',
      mongo: 'mongo',
      'mongo-setup': 'mongo',
      'admin-key': 'sluice',
      server: 'sluice',
      worker: 'sluice',
    })
    const pulled = services.filter(([, { build }]) => build === undefined)
    expect(pulled.filter(([, { image }]) => !/:\d+(\.\d+)*$/.test(image))).toEqual([])
    expect(service('temporal-schema').image.split(':')[1]).toBe(service('temporal').image.split(':')[1])
  })

  it('starts server and worker by the commands of npm start and of package.json', () => {
    const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> }
    expect(service('server').command).toEqual(serverCommand)
    expect(service('worker').command).toEqual(workerCommand)
    expect(scripts).toMatchObject({ server: serverCommand.join(' '), worker: workerCommand.join(' ') })
  })

  it('gives the product only variables that it reads, and all that it cannot do without', () => {
    for (const name of product) {
      const { environment = {} } = service(name)
      expect(Object.keys(environment).filter((variable) => !(variable in settings))).toEqual([])
      expect(environment).toMatchObject({
        MONGODB_URI: 'mongodb://mongo:27017/?replicaSet=sluice',
        TEMPORAL_ADDRESS: 'temporal:7233',
      })
    }
  })

  it('waits for what is healthy or done, never for what merely started', () => {
    for (const [name, { depends_on = {} }] of services) {
      for (const [other, { condition }] of Object.entries(depends_on)) {
        const wanted = service(other)
        const ends = wanted.restart === undefined || wanted.restart === 'no'
        const expected = ends ? 'service_completed_successfully' : 'service_healthy'
        expect([name, other, condition]).toEqual([name, other, expected])
        if (!ends) expect(wanted.healthcheck?.retries).toBeGreaterThan(0)
      }
    }
    for (const name of product) {
      expect(Object.keys(service(name).depends_on ?? {})).toEqual(
        expect.arrayContaining(['mongo-setup', 'temporal-setup']),
      )
    }
    for (const name of ['postgresql', 'temporal', 'mongo', 'server']) expect(service(name).healthcheck).toBeDefined()
  })

  it('keeps every database in a declared volume and publishes on the loopback address only', () => {
    const named = services.flatMap(([, { volumes = [] }]) => volumes.filter((volume) => !volume.startsWith('.')))
    expect([...new Set(named.map((volume) => volume.split(':')[0]))].sort()).toEqual(
      Object.keys(compose.volumes).sort(),
    )
    const published = services.flatMap(([, { ports = [] }]) => ports)
    expect(published.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
  })

  it('keeps notes in one volume, whichever process writes them, and the admin key from the worker', () => {
    const writers = services.filter(([, { command }]) =>
      [serverCommand, workerCommand].some((started) => started.join(' ') === command?.join(' ')),
    )
    expect(writers.map(([name]) => name)).toEqual(['server', 'worker'])
    const folder = /SLUICE_FOLDER=(\S+)/.exec(text('Dockerfile'))?.[1]
    for (const [, { volumes = [] }] of writers) expect(volumes).toContain(`notes:${folder}/notes`)
    expect(service('worker').volumes).not.toContain(`sluice:${folder}`)
    expect(text('Dockerfile')).toContain(`install -d -o node -g node ${folder} ${folder}/notes`)
  })

  it('mounts only files that exist, and runs scripts that do', () => {
    const mounted = services.flatMap(([, { volumes = [] }]) => volumes.filter((volume) => volume.startsWith('.')))
    const scripts = services.flatMap(([, { command = [] }]) => command.filter((word) => word.startsWith('/deploy/')))
    expect(mounted).not.toHaveLength(0)
    expect(scripts).toHaveLength(3)
    for (const path of scripts) expect(text(path.slice(1))).not.toBe('')
    expect(text('deploy/temporal-dynamic-config.yaml')).toContain('value')
  })

  it('initiates the replica set that the product names', () => {
    expect(service('mongo').command).toEqual(expect.arrayContaining(['--replSet', 'sluice']))
    expect(text('deploy/mongo-setup.js')).toContain("rs.initiate({ _id: 'sluice'")
  })

  it('registers the search attributes that the workflows set', () => {
    const listed = /^attributes='(.*)'$/m.exec(text('deploy/temporal-setup.sh'))?.[1]
    expect(listed?.split(' ').sort()).toEqual(
      Object.values(searchAttributes)
        .map(({ name }) => name)
        .sort(),
    )
  })
})

describe('Dockerfile', () => {
  const lines = text('Dockerfile').split('\n')
  const settled = (word: string): string[] => lines.filter((line) => line.startsWith(`${word} `))

  it('builds in one stage and runs in another, as a user who is not root', () => {
    expect(settled('FROM')).toHaveLength(2)
    expect(settled('USER')).toEqual(['USER node'])
    expect(lines.indexOf('USER node')).toBeGreaterThan(lines.findIndex((line) => line.startsWith('COPY --from=build')))
  })

  it('runs the server unless told otherwise, with settings that the product reads', () => {
    expect(settled('CMD')).toEqual([`CMD ${JSON.stringify(serverCommand).replace(',', ', ')}`])
    const variables = [...text('Dockerfile').matchAll(/\b(SLUICE_\w+)=/g)].map(([, name]) => name)
    expect(variables.filter((name) => !(`${name}` in settings))).toEqual([])
    expect(variables).toEqual(expect.arrayContaining(['SLUICE_HOST', 'SLUICE_WORKFLOW_BUNDLE']))
  })
})

describe('docs/setup.md', () => {
  it('lists every setting with what it takes and what holds otherwise', () => {
    const rows = [...text('docs/setup.md').matchAll(/^\| `([A-Z_]+)` \| (.*) \| (.*) \|$/gm)]
    expect(rows.map(([, name, takes, otherwise]) => [name, { takes, otherwise }])).toEqual(Object.entries(settings))
  })
})
