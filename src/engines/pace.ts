import type { Endpoint, Pace } from './engine'

/** Calls in flight at one endpoint where its configuration says nothing else. */
export const defaultConcurrency = 8

/** Calls in flight at the same time; who comes later waits in the order of coming. */
export interface Slots {
  /** Waits for a slot; call what it gives once when the slot is free again. Throws the signal's reason when aborted. */
  enter(signal?: AbortSignal): Promise<() => void>
}

/** A slot count without any back-off. */
export const createSlots = (limit: number): Slots => new EndpointPace(limit)

const paces = new WeakMap<Endpoint, Pace>()

/** A process has one object an endpoint, so whoever calls it shares its slots and its pauses. */
export function paceOf(endpoint: Endpoint): Pace {
  const known = paces.get(endpoint)
  if (known) return known
  const pace = new EndpointPace(endpoint.concurrency ?? defaultConcurrency)
  paces.set(endpoint, pace)
  return pace
}

interface Waiter {
  readonly admit: () => void
}

/** A pause is stretched by up to this share, so that processes that were refused together do not come back together. */
const jitterShare = 0.1

/**
 * The slots of one endpoint. A refusal pauses all of them and halves how many are used; each answered call gives a bit
 * back (additive increase, multiplicative decrease, as TCP does), so that calls settle at what the provider grants.
 */
class EndpointPace implements Pace {
  private readonly limit: number
  private allowed: number
  private inFlight = 0
  private pausedUntil = 0
  private timer: NodeJS.Timeout | undefined
  private readonly waiting: Set<Waiter> = new Set()

  constructor(limit: number) {
    this.limit = limit
    this.allowed = limit
  }

  enter(signal?: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const waiter: Waiter = {
        admit: () => {
          signal?.removeEventListener('abort', leave)
          resolve(this.slot())
        },
      }
      const leave = (): void => {
        this.waiting.delete(waiter)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', leave, { once: true })
      this.waiting.add(waiter)
      this.admit()
    })
  }

  slowDown(pauseMs: number): void {
    const now = performance.now()
    // Those in flight together are refused together: that is one refusal, not many.
    if (now >= this.pausedUntil) this.allowed = Math.max(1, Math.floor(this.allowed / 2))
    this.pausedUntil = Math.max(this.pausedUntil, now + pauseMs * (1 + jitterShare * Math.random()))
  }

  answered(): void {
    this.allowed = Math.min(this.limit, this.allowed + 1 / this.allowed)
  }

  private slot(): () => void {
    let held = true
    return () => {
      if (held) this.inFlight -= 1
      held = false
      this.admit()
    }
  }

  private admit(): void {
    const left = this.pausedUntil - performance.now()
    if (left > 0) {
      this.comeBack(left)
      return
    }
    for (const waiter of this.waiting) {
      if (this.inFlight >= Math.floor(this.allowed)) return
      this.waiting.delete(waiter)
      this.inFlight += 1
      waiter.admit()
    }
  }

  private comeBack(ms: number): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.admit()
    }, Math.ceil(ms))
  }
}
