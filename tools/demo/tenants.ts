import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { projectRoot } from '../../src/embedded/files'
import { workspace } from './transcripts'

interface WorkspaceTenants {
  readonly tenants: readonly { readonly id: string; readonly ring: string }[]
}

/** Pilots are the busiest customers here, so that the pilot stage has a sample within seconds. */
const busyness: Readonly<Record<string, number>> = { pilot: 4 }

/** Every tenant of the workspace, as often as its share of the traffic. */
export function tenantsOfTraffic(): readonly string[] {
  return readTenants().flatMap(({ id, ring }) => Array.from({ length: busyness[ring] ?? 1 }, () => id))
}

export function readTenants(): WorkspaceTenants['tenants'] {
  const text = readFileSync(join(projectRoot(), workspace, 'tenants.yaml'), 'utf8')
  return (parse(text) as WorkspaceTenants).tenants
}
