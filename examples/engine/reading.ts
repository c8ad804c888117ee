/** What the simulated engine sees in a transcript. Everything is taken from the text of the request. */
export interface Reading {
  /** Entries of all four sorts. */
  readonly entries: number
  /**
   * The end of the text is the end of the call: the customer has closed it (`###STOP###`) or was handed over, or the
   * transcript is as long as transcripts get.
   */
  readonly finished: boolean
  /** The agent called `transfer_to_human_agents`. */
  readonly handedOver: boolean
  /** The agent spoke of a transfer or of a human agent, whether or not it came to it. */
  readonly handoverSpokenOf: boolean
  /** Bookings, cancellations, updates and certificates that went through. */
  readonly changes: number
  /** The agent declined something ("unfortunately"). */
  readonly declined: boolean
  /** The customer's last words hold thanks. */
  readonly thanked: boolean
  readonly displeased: boolean
  /** First words of the customer, at most 120 characters. */
  readonly request: string
  readonly customerLines: readonly string[]
}

const entryStart = /^(?=\[(?:customer|agent|call|result)\] )/m
const changingTools =
  /^\[result\] (?:book_reservation|cancel_reservation|update_reservation_\w+|send_certificate): (?!Error)/
/** Recordings stop a little above it: a longer transcript is one that was cut there, not a call that still goes on. */
const longestOpenCall = 60
const displeasure = /frustrat|disappoint|unacceptable|ridiculous|upset|inconvenien/i

export function readTranscript(text: string): Reading {
  const entries = text.trim().split(entryStart)
  const of = (sort: string) => entries.filter((entry) => entry.startsWith(`[${sort}] `))
  const said = (sort: string) => of(sort).map((entry) => entry.slice(sort.length + 3).trim())
  const customer = said('customer')
  const agent = said('agent').join('\n')
  const last = entries.at(-1) ?? ''
  const lastWords = customer.at(-1) ?? ''
  return {
    entries: entries.length,
    finished:
      last.includes('###STOP###') ||
      last.startsWith('[result] transfer_to_human_agents') ||
      entries.length > longestOpenCall,
    handedOver: entries.some((entry) => entry.startsWith('[call] transfer_to_human_agents')),
    handoverSpokenOf: /transfer(?:ring)? you|human agent/i.test(agent),
    changes: entries.filter((entry) => changingTools.test(entry)).length,
    declined: /unfortunately/i.test(agent),
    thanked: /thank/i.test(lastWords),
    displeased: displeasure.test(customer.join('\n')),
    request: (customer[0] ?? '').replaceAll(/\s+/g, ' ').slice(0, 120),
    customerLines: customer,
  }
}
