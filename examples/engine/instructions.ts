/** What a prompt's wording switches on. The phrases are the documented ones: see docs/simulated-engine.md. */
export interface Instructions {
  /** The keys the answer shall have; none named: the engine answers in prose. */
  readonly keys: readonly AnswerKey[]
  /** Names the tool `transfer_to_human_agents`: a transfer is read off the tool calls, not off the words. */
  readonly transferByTool: boolean
  /** Says "handing over was right": a transferred call is judged by that, not by the customer's tone. */
  readonly judgeHandover: boolean
  /** Says "csat of at most 3" of transferred calls. */
  readonly capTransferredCsat: boolean
  /** Says "one short sentence". */
  readonly brief: boolean
  /** Asks, of an unfinished conversation, to quote or explain every message. */
  readonly explainUnfinished: boolean
  /** Asks, of an unfinished conversation, for something before the JSON object. */
  readonly proseBeforeJson: boolean
}

export const answerKeys = ['resolved', 'csat', 'reason', 'transferred', 'summary'] as const
export type AnswerKey = (typeof answerKeys)[number]

const unfinished = /unfinished|not (?:yet )?(?:ended|finished)|still open|still going on/i

/** `text` is the request's text without the transcript. */
export function readInstructions(text: string): Instructions {
  const sentences = text.split(/(?<=[.!?])\s+|\n+/)
  const ofUnfinished = sentences.filter((sentence) => unfinished.test(sentence))
  const says = (pattern: RegExp) => pattern.test(text.replaceAll(/\s+/g, ' '))
  return {
    keys: answerKeys.filter((key) => text.includes(`"${key}"`)),
    transferByTool: says(/transfer_to_human_agents/),
    judgeHandover: says(/handing over was right/i),
    capTransferredCsat: says(/csat of at most 3/i),
    brief: says(/one short sentence/i),
    explainUnfinished: ofUnfinished.some((sentence) => /(?:quote|explain) every message/i.test(sentence)),
    proseBeforeJson: ofUnfinished.some((sentence) => /before the JSON/i.test(sentence)),
  }
}
