import type { LaneState } from '../domain/lane'
import type { Reporter } from '../store/reporters'
import type { Store } from '../store/store'
import { type Finding, look, ok, wrong } from './finding'
import { changeText, suspicionText } from './provider-wording'
import { agoText, countText, cutText, shortDigest } from './wording'

const reasonWidth = 80
/** An application that reported this long after an entry and does not serve by it is not merely about to. */
const graceMs = 10_000
const maxDead = 200
const shownReleases = 3
const shownReplicas = 20

/** Lanes that wait for a person, notes that did not arrive, and applications that do not follow. */
export async function laneFindings(store: Store, lanes: readonly LaneState[]): Promise<readonly Finding[]> {
  const environments = [...new Set(lanes.map(({ environment }) => environment))].sort()
  const replicas: Finding[] = []
  for (const environment of environments) {
    const own = lanes.filter((lane) => lane.environment === environment)
    replicas.push(...replicaFindings(environment, await store.telemetry.reporters.list(environment), own))
  }
  const providers = await Promise.all(lanes.map((lane) => providerFindings(store, lane)))
  return [...lanes.flatMap(heldFindings), ...providers.flat(), ...(await outboxFindings(store)), ...replicas]
}

/** Evidence that a provider made void, and reports that nobody has confirmed. */
async function providerFindings(store: Store, lane: LaneState): Promise<readonly Finding[]> {
  const served = [lane.incumbent, lane.candidate].filter((composite) => composite !== undefined)
  const { providerChanges, suspectedChanges } = await store.evidence.standing(served)
  const about = `${lane.environment}/${lane.task}`
  return [
    ...providerChanges.map((change) => {
      const remedy = `test it again: sluice eval run <suite> --candidate ${change.composite}`
      return look(about, `${changeText(change)}: its evidence is void`, remedy)
    }),
    ...suspectedChanges.map((change) => {
      const remedy = `sluice reproduce <requestId> asks the provider; by hand: sluice provider confirm|dismiss ${shortDigest(change.id)}`
      return look(about, suspicionText(change), remedy)
    }),
  ]
}

function heldFindings({ environment, task, hold, vetoes, disabled }: LaneState): readonly Finding[] {
  const lane = `${environment}/${task}`
  const place = `${task} --env ${environment}`
  return [
    ...(disabled ? [look(lane, 'is disabled', `sluice enable ${place} --reason "…"`)] : []),
    ...(hold === undefined
      ? []
      : [
          look(
            lane,
            `is held by ${hold.by}, ${agoText(hold.at)}: ${cutText(hold.reason, reasonWidth)}`,
            `when the cause is known: sluice hold lift ${place}`,
          ),
        ]),
    ...vetoes.map(({ composite, at }) =>
      look(
        lane,
        `vetoes ${shortDigest(composite)}, ${agoText(at)}`,
        `to allow it again: sluice hold lift ${place} --veto ${composite.slice('sha256:'.length, 'sha256:'.length + 12)}`,
      ),
    ),
  ]
}

async function outboxFindings(store: Store): Promise<readonly Finding[]> {
  const dead = await store.outbox.list({ state: 'dead', limit: maxDead })
  if (dead.length === 0) return [ok('outbox', 'no note is undeliverable')]
  const releases = [...new Set(dead.map(({ release }) => release))]
  const [first] = dead
  const count = dead.length === maxDead ? `${maxDead} notes or more` : countText(dead.length, 'note')
  const shown = releases.slice(0, shownReleases).map((release) => `sluice notes ${release}`)
  const remedy = `mend the channel, then POST /v1/outbox/<id>/resend; they are listed by ${shown.join(', ')}`
  return [
    wrong('outbox', `${count} could not be delivered (${first?.channel}: ${first?.lastError ?? 'no answer'})`, remedy),
  ]
}

function replicaFindings(
  environment: string,
  reporters: readonly Reporter[],
  lanes: readonly LaneState[],
): readonly Finding[] {
  const live = reporters.filter(({ active }) => active)
  const stale = live.flatMap((reporter) => {
    const lags = reporter.behind.filter(({ task }) => {
      const lane = lanes.find((one) => one.task === task)
      return lane !== undefined && lane.headAt + graceMs < reporter.seenAt
    })
    const text = lags.map(({ task, applied, head }) => `${task} by entry ${applied} of ${head}`).join(', ')
    const remedy = 'it reports but gets no snapshots: check its way to /v1/snapshot, or restart it'
    return lags.length === 0 ? [] : [wrong(`replica ${reporter.reporter}`, `serves ${text} in ${environment}`, remedy)]
  })
  if (stale.length > shownReplicas) {
    const more = `${stale.length - shownReplicas} more applications serve by older entries in ${environment}`
    return [
      ...stale.slice(0, shownReplicas),
      wrong(environment, more, `they are listed by sluice active --env ${environment}`),
    ]
  }
  if (stale.length > 0) return stale
  if (live.length === 0) return [ok(environment, 'no application reports')]
  const verb = live.length === 1 ? 'serves' : 'serve'
  return [ok(environment, `${countText(live.length, 'application')} ${verb} by the newest entries`)]
}
