import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readWorkspace, type Workspace } from '../../src/cli/workspace'
import type { Digest } from '../../src/domain/version'
import type { Catalog } from '../../src/store/catalog'

const folder = join(__dirname, '../../examples/airline')

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

export const readAirline = (): Promise<Workspace> => readWorkspace(folder)

/** Registers the example workspace; `cases` takes the first ones only, for tests that need few calls. */
export async function registerAirline(catalog: Catalog, options: { readonly cases?: number } = {}): Promise<void> {
  for (const { kind, name, semver, description, content, rows } of (await readAirline()).artifacts) {
    const held = rows === undefined ? content : { rows: airlineCases().slice(0, options.cases) }
    await catalog.register({ kind, name, semver, content: held, description, author: 'ann' })
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
