import { captureBounds } from '../../../src/domain/capture'
import { SluiceError } from '../../../src/errors'
import { CaptureQueue, captureQueueBounds } from '../../../src/sdk/capture-queue'
import type { Http } from '../../../src/sdk/http'
import type { Serving } from '../../../src/sdk/serving'

interface Body {
  readonly dropped: number
  readonly captures: readonly { readonly requestId: string; readonly input: { readonly text: string } }[]
}

/** A server at the other end that answers as it is told to. */
function trial(answer: () => Response | Error = () => new Response('{}')) {
  const bodies: Body[] = []
  const http = {
    async call(_path: string, { body }: { body: Body }) {
      const given = answer()
      if (given instanceof Error) throw given
      bodies.push(body)
      return given
    },
  } as unknown as Http
  return { bodies, queue: new CaptureQueue({ http, environment: 'production', reporter: 'reporter-1' }) }
}

const serving = { task: 'csat', tenant: 'acme', conversation: 'c-1' } as Serving
const asked = { basisPoints: 10_000 }

describe('contents on their way to the server', () => {
  it('are none where the lane asks for none, or there is nothing to keep', async () => {
    const { queue, bodies } = trial()
    queue.add(undefined, serving, 'r', { input: { text: 'x' } })
    queue.add(asked, serving, 'r', {})
    await queue.send()
    expect([bodies, queue.dropped, queue.pending]).toEqual([[], 0, false])
  })

  it('are as they were when they were reported', async () => {
    const { queue, bodies } = trial()
    const input = { text: 'before' }
    queue.add(asked, serving, 'r-1', { input, output: { csat: 4 } })
    input.text = 'after'
    await queue.send()
    expect(bodies[0]?.captures).toEqual([
      {
        requestId: 'r-1',
        task: 'csat',
        tenant: 'acme',
        conversation: 'c-1',
        input: { text: 'before' },
        output: { csat: 4 },
      },
    ])
  })

  it('are dropped and counted where they are too large or cannot be written down, and nothing throws', async () => {
    const { queue, bodies } = trial()
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    const unfit: readonly unknown[] = [cycle, 1n, 'x'.repeat(captureBounds.contentBytes)]
    for (const output of unfit) queue.add(asked, serving, 'r', { output })
    queue.add(asked, serving, 'r', { input: { text: 'x'.repeat(captureBounds.contentBytes + 1) } })
    expect([queue.dropped, queue.pending]).toEqual([4, true])
    await queue.send()
    expect([bodies.map(({ dropped, captures }) => [dropped, captures.length]), queue.pending]).toEqual([
      [[4, 0]],
      false,
    ])
  })

  it('stay within the bounds of memory and of a delivery', async () => {
    const { queue, bodies } = trial()
    for (let index = 0; index < captureQueueBounds.contents + 10; index += 1) {
      queue.add(asked, serving, `r-${index}`, { input: { text: 'x'.repeat(20_000) } })
    }
    const most = Math.floor(captureQueueBounds.bytes / 20_000)
    expect(queue.dropped).toBeGreaterThanOrEqual(captureQueueBounds.contents + 10 - most)
    for (let round = 0; round < 10 && queue.pending; round += 1) await queue.send()
    for (const { captures } of bodies) {
      expect(captures.length).toBeLessThanOrEqual(captureBounds.batchContents)
      expect(Buffer.byteLength(JSON.stringify(captures))).toBeLessThan(2 * captureBounds.batchBytes)
    }
    const delivered = bodies.flatMap(({ captures }) => captures.map(({ requestId }) => requestId))
    expect(delivered.length + queue.dropped).toBe(captureQueueBounds.contents + 10)
    expect(new Set(delivered).size).toBe(delivered.length)
  })

  it('are kept while the server is away, and dropped where it does not want them', async () => {
    let answer: Response | Error = new SluiceError('api_unreachable', 'away')
    const { queue, bodies } = trial(() => answer)
    queue.add(asked, serving, 'r-1', { input: { text: 'x' } })
    await queue.send()
    expect([queue.pending, queue.dropped]).toEqual([true, 0])
    answer = new Response('{}')
    await queue.send()
    expect([bodies.length, queue.pending]).toEqual([1, false])
    answer = new SluiceError('forbidden', 'no')
    queue.add(asked, serving, 'r-2', { input: { text: 'x' } })
    await queue.send()
    expect([bodies.length, queue.dropped]).toEqual([1, 1])
  })
})
