import type { ServedComposite } from '../../../src/domain/composite'
import type { ShadowView } from '../../../src/domain/shadow'
import type { Http } from '../../../src/sdk/http'
import type { Serving } from '../../../src/sdk/serving'
import { type ServedRun, ShadowQueue, shadowQueueBounds } from '../../../src/sdk/shadow-queue'

const incumbent = `sha256:${'1'.repeat(64)}` as const
const candidate = `sha256:${'2'.repeat(64)}` as const
const view: ShadowView = { releaseId: 'R', candidate, incumbent, basisPoints: 10_000, until: 1_000 }
const other = { composite: { id: candidate } } as unknown as Serving

function served(conversation: string, change: Partial<ServedRun> = {}): ServedRun {
  const serving = {
    task: 'csat',
    tenant: 'acme',
    conversation,
    composite: { id: incumbent },
    withComposite: () => other,
  } as unknown as Serving
  const report = { requestId: `r-${conversation}`, outcome: 'ok', latencyMs: 5, costUsd: 0.01 } as const
  return { serving, values: { transcript: 'hi' }, options: {}, report, output: {}, ...change }
}

function queueWith(shadow: ShadowView | undefined, holdMs = 0) {
  const asked: { readonly values: ServedRun['values']; readonly signal: AbortSignal; end(): void }[] = []
  const sent: { pairs: unknown[] }[] = []
  const http = {
    call: async (_: string, { body }: { body: { pairs: unknown[] } }) => {
      sent.push(body)
      return { json: async () => ({ taken: body.pairs.length, holdMs }) }
    },
  } as unknown as Http
  const queue = new ShadowQueue({
    http,
    environment: 'production',
    reporter: 'reporter-1',
    shadowOf: (task) => (task === 'csat' ? shadow : undefined),
    compositeOf: (id) => (id === candidate ? ({ id } as unknown as ServedComposite) : undefined),
    now: () => 500,
    answer: ({ values }, _, signal) =>
      new Promise((resolve) => {
        asked.push({ values, signal, end: () => resolve({ report: { outcome: 'error', latencyMs: 9 } }) })
      }),
  })
  return { queue, asked, sent }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('the shadow of an application', () => {
  it('asks the candidate only after whoever was served has gone on, and tells the pair', async () => {
    const { queue, asked, sent } = queueWith(view)
    const values = { transcript: 'hi' }
    queue.offer(served('c-1', { values }))
    expect(asked).toHaveLength(0)
    values.transcript = 'changed'
    await turn()
    expect(asked.map((one) => one.values)).toEqual([{ transcript: 'hi' }])
    asked[0]?.end()
    await turn()
    await queue.send()
    expect(sent[0]?.pairs).toMatchObject([
      {
        releaseId: 'R',
        requestId: 'r-c-1',
        candidate: { outcome: 'error' },
        incumbent: { outcome: 'ok', costUsd: 0.01 },
      },
    ])
    expect(JSON.stringify(sent)).not.toContain('transcript')
  })

  const turns = [{ calls: [], results: [] }] as unknown as NonNullable<ServedRun['options']['turns']>
  it.each<[string, ShadowView | undefined, Partial<ServedRun>]>([
    ['the lane has no shadow', undefined, {}],
    ['its time is over', { ...view, until: 500 }, {}],
    ['the conversation is not of the share', { ...view, basisPoints: 0 }, {}],
    ['another composite served', { ...view, incumbent: candidate }, {}],
    ['tools were called: a later round would need what they did', view, { options: { turns } }],
    ['the filter refused it', view, { report: { outcome: 'filtered', latencyMs: 0 } }],
  ])('copies nothing where %s', async (_, shadow, change) => {
    const { queue, asked } = queueWith(shadow)
    queue.offer(served('c-1', change))
    await turn()
    expect([asked.length, queue.dropped]).toEqual([0, 0])
  })

  it('answers a few at once, lets a few wait, and counts what finds no room', async () => {
    const { queue, asked } = queueWith(view)
    const room = shadowQueueBounds.together + shadowQueueBounds.waiting
    for (let index = 0; index < shadowQueueBounds.together; index++) queue.offer(served(`a-${index}`))
    await turn()
    for (let index = 0; index < room; index++) queue.offer(served(`b-${index}`))
    await turn()
    expect(asked).toHaveLength(shadowQueueBounds.together)
    expect(queue.dropped).toBe(room - shadowQueueBounds.waiting)
  })

  it('holds off where the server says that money or room is used up', async () => {
    const { queue, asked } = queueWith(view, 60_000)
    queue.offer(served('c-1'))
    await turn()
    asked[0]?.end()
    await turn()
    await queue.send()
    queue.offer(served('c-2'))
    await turn()
    expect([asked.length, queue.dropped]).toEqual([1, 1])
  })

  it('gives up what is under way when the application ends', async () => {
    const { queue, asked } = queueWith(view)
    queue.offer(served('c-1'))
    await turn()
    queue.close()
    expect(asked[0]?.signal.aborted).toBe(true)
    asked[0]?.end()
    await turn()
    queue.offer(served('c-2'))
    expect([queue.pending, queue.dropped]).toEqual([false, 1])
  })

  it('counts what is answered and was not told when the application ended', async () => {
    const { queue, asked } = queueWith(view)
    queue.offer(served('c-1'))
    await turn()
    asked[0]?.end()
    await turn()
    queue.close()
    expect([queue.pending, queue.dropped]).toEqual([true, 0])
    queue.giveUp()
    expect([queue.pending, queue.dropped]).toEqual([false, 1])
  })
})
