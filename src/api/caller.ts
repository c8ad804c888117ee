import type { FastifyReply } from 'fastify'
import { SluiceError } from '../errors'

/** Work that nobody waits for any more once the caller is gone: the signal is aborted then. */
export async function whileAsked<T>(
  { raw }: Pick<FastifyReply, 'raw'>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const gone = new AbortController()
  const end = (): void => gone.abort()
  raw.once('close', end)
  // Who went away before has closed already, and is told of no more.
  if (raw.destroyed || raw.closed) end()
  try {
    return await work(gone.signal)
  } catch (error) {
    if (!gone.signal.aborted) throw error
    throw new SluiceError('invalid_request', 'The caller went away before it was answered.')
  } finally {
    raw.off('close', end)
  }
}
