import { join } from 'node:path'
import { readConfig } from '../../src/config'
import { type Ground, startEmbedded } from '../../src/embedded/embedded'
import { onTerminal } from '../../src/embedded/progress'
import { buildWorkflowBundle } from '../../src/embedded/workflow-bundle'
import { dropPool, openPool } from './databases'
import { requireFreshBuild } from './fresh-build'

const key = Symbol.for('sluice.test.grounds')
/** jest loads set-up and tear-down apart from each other; what passes between them lies on the global object. */
const kept = globalThis as { [key]?: Ground[] }

/** Starts MongoDB and Temporal once for all test files, unless the environment names running ones. */
export async function startGround(): Promise<void> {
  const ground = await startEmbedded({ name: 'test', config: readConfig(), fresh: true, progress: onTerminal })
  process.env.MONGODB_URI = ground.mongodbUri
  openPool()
  process.env.TEMPORAL_ADDRESS = ground.temporalAddress
  if (ground.temporalUiUrl !== undefined) process.env.TEMPORAL_UI_URL = ground.temporalUiUrl
  kept[key] = [...(kept[key] ?? []), ground]
}

/** For projects that run workflows: the servers, and the workflows bundled once, at SLUICE_WORKFLOW_BUNDLE. */
export async function startGroundWithBundle(): Promise<void> {
  requireFreshBuild(join(__dirname, '..', '..'))
  // Both set-ups may run in one jest; the second then finds the servers of the first in the environment.
  await startGround()
  const bundle = join(readConfig().folder, 'test', 'workflow-bundle.js')
  if (await buildWorkflowBundle(bundle)) process.env.SLUICE_WORKFLOW_BUNDLE = bundle
}

export async function stopGround(): Promise<void> {
  const grounds = kept[key] ?? []
  kept[key] = []
  try {
    // A server that was started here takes all that it holds with it.
    const isExternal = grounds.every(({ mongo }) => mongo === undefined)
    if (process.env.MONGODB_URI !== undefined && isExternal) await dropPool(process.env.MONGODB_URI)
  } finally {
    for (const ground of grounds) await ground.stop()
  }
}
