import type { Facts } from './facts'
import type { DemoGround } from './ground'
import type { Manager } from './manager'
import type { Say } from './say'
import { task } from './scenes'
import { timesOf } from './times'
import { formatSeconds } from './wording'

export function tellLinks({ servers, product, folder, published }: DemoGround, say: Say): void {
  say.heading('Links')
  if (servers.temporalUiUrl !== undefined) {
    say.line(`Temporal UI  ${servers.temporalUiUrl}/namespaces/${servers.namespace}/workflows`)
  }
  say.line(`API          ${product.apiUrl} (OpenAPI at /openapi.json; key in ${product.adminKeyFile})`)
  say.line(`Files        ${folder}: notes/ of the tenants, applications/ what each served, logs/`)
  if (published) say.line('CLI          npx sluice release ls, in this folder, in another terminal')
}

/** From the first bad answer to the decision to the last request that the candidate served. */
export function tellTimes(facts: Facts, manager: Manager, say: Say): void {
  say.heading('From spike to rollback')
  for (const [label, name] of [
    ['cost spike', 'cost'],
    ['error spike', 'error'],
  ] as const) {
    const times = timesOf(facts, name)
    const { firstBadAt, decidedAt, candidateRequests, candidateConversations } = times
    const spread = `${candidateRequests} requests of ${candidateConversations} conversations met it`
    const found =
      firstBadAt === undefined
        ? 'no bad answer'
        : `decided ${formatSeconds(decidedAt - firstBadAt)} after the first bad answer`
    say.line(`${label.padEnd(labelWidth)}  ${found}; ${lastServedText(times)}; ${spread}`)
  }
  say.line(`${'signal'.padEnd(labelWidth)}  ${lastServedText(timesOf(facts, 'signalled'))}`)
  say.heading('Runs in the Temporal UI')
  for (const [name, { record }] of Object.entries(facts.story)) {
    const link = record.runId === undefined ? undefined : manager.uiOf(task, record.runId)
    say.line(`${name.padEnd(labelWidth)}  ${link ?? `workflow ${record.workflowId}, run ${record.runId}`}`)
  }
}

const labelWidth = 'error spike'.length

function lastServedText({ lastServedAfterMs, lastAnswerAfterMs }: ReturnType<typeof timesOf>): string {
  const place = lastServedAfterMs < 0 ? 'before' : 'after'
  const served = `last application served by it ${Math.abs(Math.round(lastServedAfterMs))} ms ${place} the decision`
  return lastAnswerAfterMs > 0 ? `${served} (its last answer came after ${formatSeconds(lastAnswerAfterMs)})` : served
}
