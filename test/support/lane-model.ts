import type { Digest } from '../../src/domain/version'
import { plainBucket } from './plain-resolve'

/** What new conversations are served from a moment on. */
interface Allocated {
  readonly at: number
  readonly incumbent?: Digest | undefined
  readonly candidate?: Digest | undefined
  readonly basisPoints: number
  readonly salt: string
}

interface Pinned {
  readonly at: number
  /** A holder, so that a revocation moves whoever is on it. */
  readonly pin?: { composite: Digest | undefined }
}

interface Conversation {
  readonly tenant: string
  readonly conversation: string
  readonly startedAt: number
  readonly binding?: string
  serves: Digest | undefined
}

/**
 * A lane and its tenants without sequence numbers, bindings or revocations: it remembers for every conversation what it
 * was served first, and moves it only when that very version is rolled back.
 */
export class LaneModel {
  readonly timeline: Allocated[] = []
  readonly pins = new Map<string, Pinned[]>()
  readonly conversations: Conversation[] = []
  readonly settledOnce = new Set<Digest>()
  readonly vetoed = new Set<Digest>()
  stack: Digest[] = []
  candidate: Digest | undefined
  release: string | undefined
  justSettled = false
  held = false
  disabled = false
  releases = 0
  revoked = 0

  get incumbent(): Digest | undefined {
    return this.stack.at(-1)
  }

  /** What a conversation that begins at `moment` is served, by the newest allocation and pin that count then. */
  begins(tenant: string, conversation: string, moment: number): Digest | undefined {
    const entry = this.timeline.filter(({ at }) => at <= moment).at(-1)
    const pinned = (this.pins.get(tenant) ?? []).filter(({ at }) => at <= moment).at(-1)
    if (pinned?.pin !== undefined) return pinned.pin.composite
    if (entry?.candidate === undefined) return entry?.incumbent
    return plainBucket(entry.salt, tenant, conversation) < entry.basisPoints ? entry.candidate : entry.incumbent
  }

  allocate(at: number, basisPoints = 0): void {
    const { incumbent, candidate } = this
    this.timeline.push({ at, incumbent, candidate, basisPoints, salt: this.release ?? '' })
  }

  /** The allocation as it is, from another moment on. */
  repeat(at: number): void {
    this.timeline.push({ ...(this.timeline.at(-1) as Allocated), at })
  }

  goBack(at: number, target: Digest | undefined, veto: boolean): void {
    const revokes = [this.incumbent, this.candidate].filter((one) => one !== undefined && one !== target)
    const place = target === undefined ? -1 : this.stack.lastIndexOf(target)
    if (target === undefined) this.stack = []
    else this.stack = place >= 0 ? this.stack.slice(0, place + 1) : [...this.stack.slice(0, -1), target]
    this.candidate = undefined
    this.release = undefined
    this.justSettled = false
    if (target === undefined) this.disabled = true
    for (const composite of revokes as Digest[]) {
      if (veto) this.vetoed.add(composite)
      for (const conversation of this.conversations.filter(({ serves }) => serves === composite)) {
        conversation.serves = target
        this.revoked++
      }
      for (const { pin } of [...this.pins.values()].flat()) if (pin?.composite === composite) pin.composite = target
    }
    // Allocations that still begin for somebody: those bound to an older one meet the revocation as well.
    for (const [index, entry] of this.timeline.entries()) {
      const moved = (one: Digest | undefined) => (one !== undefined && revokes.includes(one) ? target : one)
      this.timeline[index] = { ...entry, incumbent: moved(entry.incumbent), candidate: moved(entry.candidate) }
    }
    this.allocate(at)
  }
}
