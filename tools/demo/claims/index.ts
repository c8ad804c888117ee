import type { Facts } from '../facts'
import type { Say } from '../say'
import { chains } from './chains'
import type { Claim } from './claim'
import { coverage } from './coverage'
import { deployable } from './deployable'
import { moneyAddsUp, requestsAddUp } from './money'
import { notes } from './notes'
import { outcomes } from './outcomes'
import { promptness } from './promptness'
import { resolution } from './resolution'
import { shares } from './shares'
import { switchedOff } from './switched-off'
import { versions } from './versions'

/** Every claim of the summary. */
const claims: readonly Claim[] = [
  outcomes,
  coverage,
  versions,
  resolution,
  deployable,
  shares,
  promptness,
  switchedOff,
  moneyAddsUp,
  requestsAddUp,
  chains,
  notes,
]

const shownFaults = 5

/** Checks and tells every claim; true where all hold. */
export async function checkClaims(facts: Facts, say: Say): Promise<boolean> {
  say.heading('Checked against the database and what the applications served')
  const broken: string[] = []
  for (const claim of claims) {
    const { figures, faults } = await claim.check(facts)
    const holds = faults.length === 0
    say.line(`${holds ? 'holds ' : 'FAILS '} ${claim.text}: ${figures}`)
    for (const fault of faults.slice(0, shownFaults)) say.line(`        ${fault}`)
    if (faults.length > shownFaults) say.line(`        and ${faults.length - shownFaults} more`)
    if (!holds) broken.push(claim.text)
  }
  if (broken.length === 0) say.heading(`All ${claims.length} claims hold.`)
  else say.heading(`${broken.length} of ${claims.length} claims FAIL: ${broken.join('; ')}`)
  return broken.length === 0
}
