import { setTimeout as pause } from 'node:timers/promises'
import { Connection } from '@temporalio/client'
import { temporal } from '@temporalio/proto'
import { searchAttributes } from '../../workflows/search-attributes'
import { SluiceError } from '../errors'

/** The names every namespace must know before a release starts; all are of type Keyword. */
export const searchAttributeNames: readonly string[] = Object.values(searchAttributes).map(({ name }) => name)

const connectMs = 5000
const callMs = 10_000
const visiblePolls = 50
const pollMs = 200

/** Checks that Temporal answers and has the namespace, and registers the search attributes that are missing. */
export async function prepareTemporal(address: string, namespace: string): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: connectMs })
  try {
    await connection.withDeadline(Date.now() + callMs, () => requireNamespace(connection, namespace))
    for (let poll = 0; poll < visiblePolls; poll++) {
      const missing = await missingAttributes(connection, namespace)
      if (missing.length === 0) return
      if (poll === 0) await register(connection, namespace, missing)
      await pause(pollMs)
    }
    throw new SluiceError('temporal_unavailable', `Temporal at ${address} does not take new search attributes.`)
  } finally {
    await connection.close()
  }
}

const notFound = 5

async function requireNamespace(connection: Connection, namespace: string): Promise<void> {
  try {
    await connection.workflowService.describeNamespace({ namespace })
  } catch (error) {
    if ((error as { code?: number }).code !== notFound) throw error
    throw new SluiceError(
      'invalid_config',
      `Temporal has no namespace ${namespace}. Make it (temporal operator namespace create -n ${namespace}) or set ` +
        'SLUICE_NAMESPACE to one it has.',
      { variable: 'SLUICE_NAMESPACE' },
    )
  }
}

async function missingAttributes(connection: Connection, namespace: string): Promise<readonly string[]> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace })
  return searchAttributeNames.filter((name) => customAttributes?.[name] === undefined)
}

async function register(connection: Connection, namespace: string, names: readonly string[]): Promise<void> {
  const keyword = temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(names.map((name) => [name, keyword])),
  })
}
