import type { Chance } from './chance'
import type { AnswerKey, Instructions } from './instructions'
import type { SimulatedModel } from './models'
import type { Reading } from './reading'

/** What the engine makes of one request: text, or a failure of its own. */
export type Judgement = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'server_error' }

export interface JudgeInput {
  readonly reading: Reading
  readonly instructions: Instructions
  readonly model: SimulatedModel
  readonly temperature: number
  readonly chance: Chance
  /** Longest answer in characters; a verbose answer stays below it so that it is still whole. */
  readonly maxCharacters: number
}

/** Entries beyond which a call counts as hard to resolve. */
const longCall = 35
/** Of the unfinished conversations that get prose first, the shares that break in each way. */
const malformedShare = 0.45
const serverErrorShare = 0.15

export function judge(input: JudgeInput): Judgement {
  const { reading, instructions, chance } = input
  const brokenBy = chance.uniform('prose')
  if (!reading.finished && instructions.proseBeforeJson) {
    if (brokenBy < serverErrorShare) return { kind: 'server_error' }
    if (brokenBy < serverErrorShare + malformedShare) return { kind: 'text', text: openPoints(reading) }
  }
  const answer = answerOf(input)
  if (instructions.keys.length === 0) return { kind: 'text', text: `${answer.summary} ${answer.reason}` }
  const picked = Object.fromEntries(instructions.keys.map((key) => [key, answer[key]]))
  return { kind: 'text', text: JSON.stringify(picked) }
}

function answerOf(input: JudgeInput): Readonly<Record<AnswerKey, boolean | number | string>> {
  const { reading, instructions, model, chance } = input
  const byTool = instructions.transferByTool || model.readsTools
  const transferred = byTool ? reading.handedOver : reading.handoverSpokenOf
  const wobble = model.wobble * input.temperature * chance.normal('wobble')
  const resolved = pointsOf(input, transferred) + wobble > 0
  return {
    resolved,
    csat: csatOf(reading, resolved, transferred && instructions.capTransferredCsat),
    reason: reasonOf(input, resolved, transferred),
    transferred,
    summary: summaryOf(reading, instructions.brief),
  }
}

/** Points for `resolved`; above zero it is true. */
function pointsOf({ reading, instructions, model }: JudgeInput, transferred: boolean): number {
  if (transferred && (instructions.judgeHandover || model.readsTools)) return reading.changes === 0 ? 1 : -1
  if (transferred) return -1.5 + (reading.declined ? 1 : 0) + (reading.thanked ? 1 : 0)
  return -1 + (reading.declined ? 2 : 0) - (reading.entries > longCall ? 2 : 0)
}

function csatOf(reading: Reading, resolved: boolean, capped: boolean): number {
  const points = 3 + (reading.thanked ? 1 : 0) - (reading.displeased ? 1 : 0) + (resolved ? 1 : -1)
  return Math.max(1, Math.min(capped ? 3 : 5, points))
}

function reasonOf(input: JudgeInput, resolved: boolean, transferred: boolean): string {
  const { reading, instructions, maxCharacters } = input
  const plain = transferred
    ? `The agent handed the customer over; ${resolved ? 'nothing else was left to do' : 'the request stayed undone'}.`
    : `The agent ${reading.declined ? 'declined what the rules do not allow' : 'worked on the request'} and ${
        resolved ? 'the request was dealt with' : 'the request was not dealt with'
      }.`
  if (reading.finished || !instructions.explainUnfinished) return plain
  return `${plain} ${explanation(reading, Math.floor(maxCharacters * 0.6))}`
}

function summaryOf(reading: Reading, brief: boolean): string {
  const request = `The customer wrote: ${reading.request}`
  if (brief) return request.slice(0, 80)
  const changes = reading.changes === 1 ? 'one change was made' : `${reading.changes} changes were made`
  return `${request} In ${reading.entries} entries ${changes} and the customer was ${
    reading.thanked ? 'thankful' : 'not thankful'
  } at the end.`
}

/** Message by message, at length, again and again up to `limit` characters: what the cost spike is made of. */
function explanation(reading: Reading, limit: number): string {
  const lines = reading.customerLines.length > 0 ? reading.customerLines : ['']
  const point = (line: string, round: number) =>
    `Point ${round + 1}: the customer says "${line.slice(0, 200)}", which may be read in several ways, and since the ` +
    'conversation may yet take another turn each reading has to be weighed against what was said before it.'
  let text = ''
  for (let round = 0; text.length < limit; round += 1) text += `${point(lines[round % lines.length] ?? '', round)} `
  return text.slice(0, limit)
}

function openPoints(reading: Reading): string {
  return `Open points so far: ${reading.customerLines.length} messages of the customer are to be answered.\n{"resolved": `
}
