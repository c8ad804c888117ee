import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Digest, KindName } from '../../src/domain/version'
import type { Catalog } from '../../src/store/catalog'

const folder = join(__dirname, '../../examples/airline')

/** Folder of the example workspace → kind, in an order in which references exist. */
const kindFolders: readonly (readonly [string, KindName])[] = [
  ['prompts', 'prompt'],
  ['engines', 'engine'],
  ['schemas', 'schema'],
  ['datasets', 'dataset'],
  ['suites', 'suite'],
  ['policies', 'policy'],
]

export interface AirlineCase {
  readonly id: string
  readonly group: string
  readonly input: { readonly transcript: string }
  readonly expected: { readonly resolved: boolean; readonly transferred: boolean }
}

export function airlineCases(): readonly AirlineCase[] {
  const text = readFileSync(join(folder, 'datasets/airline-cases/1.0.0.jsonl'), 'utf8')
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as AirlineCase)
}

export const airlineSource = (): string => readFileSync(join(folder, 'data/airline.jsonl'), 'utf8')

interface Envelope {
  readonly description: string
  readonly content?: Readonly<Record<string, unknown>>
}

export function airlineFile(path: string): Envelope {
  return parse(readFileSync(join(folder, path), 'utf8')) as Envelope
}

/** Registers the example workspace; `cases` takes the first ones only, for tests that need few calls. */
export async function registerAirline(catalog: Catalog, options: { readonly cases?: number } = {}): Promise<void> {
  for (const [directory, kind] of kindFolders) {
    for (const name of readdirSync(join(folder, directory)).sort()) {
      const versions = readdirSync(join(folder, directory, name)).filter((file) => file.endsWith('.yaml'))
      for (const file of versions.sort()) {
        const { description, content } = airlineFile(join(directory, name, file))
        const held = content ?? { rows: airlineCases().slice(0, options.cases) }
        const semver = file.replace(/\.yaml$/, '')
        await catalog.register({ kind, name, semver, content: held, description, author: 'ann' })
      }
    }
  }
}

/** The composite of the example task with one of its prompts and engines. */
export async function airlineComposite(catalog: Catalog, prompt: string, engine = '1.0.0'): Promise<Digest> {
  const { id } = await catalog.commitComposite({
    prompt: `prompt/csat@${prompt}`,
    engine: `engine/simulated@${engine}`,
    schema: 'schema/csat-report@1.0.0',
  })
  return id
}
