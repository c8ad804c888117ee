import { readTranscripts } from '../transcripts'
import type { Claim } from './claim'

const fewestPoints = 5
const fewestApplications = 3

export const coverage: Claim = {
  text: `Every transcript was scored, each conversation at ${fewestPoints} points of it or more, hopping between applications`,
  check({ conversations, rows, skips }) {
    const interrupted = new Set(skips.map(({ tenant, conversation }) => `${tenant}/${conversation}`))
    const faults: string[] = []
    const transcripts = new Set(rows.map(({ transcript }) => transcript))
    const all = readTranscripts().length
    if (transcripts.size < all) faults.push(`${all - transcripts.size} transcripts were never scored`)
    const applications = new Set(rows.map(({ application }) => application))
    if (applications.size < fewestApplications) faults.push(`only ${applications.size} applications served`)
    for (const [name, served] of conversations) {
      if (interrupted.has(name)) continue
      if (served.length < fewestPoints) faults.push(`${name} was scored at ${served.length} points`)
      if (new Set(served.map(({ application }) => application)).size < fewestApplications)
        faults.push(`${name} did not hop between ${fewestApplications} applications`)
    }
    const skipped = interrupted.size === 0 ? '' : `, ${interrupted.size} of them interrupted while the task was off`
    const figures = `${transcripts.size} transcripts, ${conversations.size} conversations${skipped}, ${rows.length} requests, ${applications.size} applications`
    return { figures, faults }
  },
}
