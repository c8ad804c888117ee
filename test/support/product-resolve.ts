import { type CompiledSnapshot, compileSnapshot } from '../../src/domain/compiled-snapshot'
import { type ResolveRequest, resolve } from '../../src/domain/resolve'
import type { Snapshot } from '../../src/domain/snapshot'
import { SluiceError } from '../../src/errors'
import type { PlainAnswer } from './plain-resolve'

/** What the product's resolve answers, as plain data. Throws where it throws anything but a SluiceError. */
export const productResolve = (snapshot: Snapshot, request: ResolveRequest): PlainAnswer =>
  compiledResolve(compileSnapshot(snapshot), request)

export function compiledResolve(compiled: CompiledSnapshot, request: ResolveRequest): PlainAnswer {
  try {
    const answer = resolve(compiled, request)
    if ('skip' in answer) return answer
    const { composite, ...rest } = answer
    return { composite: composite.id, ...rest }
  } catch (error) {
    if (error instanceof SluiceError) return { error: error.code }
    throw error
  }
}
