import type { ProbePolicy } from '../src/domain/policy'
import { type ProbePlace, probeGapMs } from '../src/domain/probe'
import { rolloutEnvironment } from '../src/domain/rollout'
import type { Endpoints } from '../src/engines/engine'
import type { ReleaseFile } from '../src/store/assessor'
import { askProbe } from '../src/store/probe-asking'
import type { Store } from '../src/store/store'
import { rest } from './rest'

export interface ProbingDeps {
  readonly store: Pick<Store, 'readings'>
  readonly endpoints: Endpoints
  /** Told of what could not be kept; the next question tries again. */
  readonly failed: (probe: string, error: unknown) => void
}

/**
 * Asks the providers of the policy's probes for as long as a release is watched, each at its own pace, one question at a
 * time, beside the ticks: a tick reads what is stored and never waits for anybody. The answer ends it, at once, a question
 * in flight included.
 */
export function startProbing(deps: ProbingDeps, file: ReleaseFile): () => Promise<void> {
  const ending = new AbortController()
  const place = placeOf(file)
  const loops = (file.policy.probes ?? []).map((probe) => probeLoop(deps, { file, probe, place }, ending.signal))
  return async () => {
    ending.abort()
    await Promise.all(loops)
  }
}

interface Probing {
  readonly file: ReleaseFile
  readonly probe: ProbePolicy
  readonly place: ProbePlace
}

/** Where an answer could not be kept (the database is away), it is asked again soon: its return must not wait for minutes. */
const unkeptMs = 1_000

async function probeLoop(deps: ProbingDeps, { file, probe, place }: Probing, ending: AbortSignal): Promise<void> {
  while (!ending.aborted) {
    const begun = performance.now()
    let wait = probe.everyMs
    try {
      const answer = await askProbe(probe, place, deps.endpoints, ending)
      if (ending.aborted) return
      await deps.store.readings.add(file.record.id, probe.name, answer, probeGapMs(probe))
    } catch (error) {
      deps.failed(probe.name, error)
      wait = Math.min(wait, unkeptMs)
    }
    await rest(wait - (performance.now() - begun), ending)
  }
}

function placeOf({ plan, policy, record }: ReleaseFile): ProbePlace {
  const incumbent = plan.lanes.at(-1)?.incumbent
  return {
    task: plan.task,
    environment: rolloutEnvironment(policy),
    release: record.id,
    candidate: plan.candidate,
    ...(incumbent === undefined ? {} : { incumbent }),
  }
}
