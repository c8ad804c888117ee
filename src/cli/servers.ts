import { readFileSync } from 'node:fs'
import { SluiceError } from '../errors'
import { findRunFile } from './client'

/** Where the servers behind the API are, for the commands that ask them directly. Absent: nobody said. */
export interface Servers {
  readonly mongodbUri?: string
  readonly temporalAddress?: string
}

/** What is set, else what the `run.json` of the instance that runs here says. */
export function findServers(settings: Servers & { readonly folder: string }, from: string): Servers {
  const { mongodbUri, temporalAddress, folder } = settings
  const file = mongodbUri !== undefined && temporalAddress !== undefined ? undefined : findRunFile(folder, from)
  const run = file === undefined ? {} : readRun(file)
  return {
    ...text('mongodbUri', mongodbUri ?? run.mongodbUri),
    ...text('temporalAddress', temporalAddress ?? run.temporalAddress),
  }
}

function readRun(file: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    throw new SluiceError('invalid_config', `${file} is no JSON. Start the instance again with \`sluice up\`.`)
  }
}

const text = <K extends string>(key: K, value: unknown): { [P in K]?: string } =>
  (typeof value === 'string' ? { [key]: value } : {}) as { [P in K]?: string }
