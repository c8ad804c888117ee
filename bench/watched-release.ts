import { watching } from '../workflows/proxies'

/** Nothing of a release but its safety clock, on the queue and with the time-outs that it has in a real one. */
export async function watchedRelease(releaseId: string): Promise<void> {
  await watching().watchRelease({ releaseId })
}
