import { formatClock } from './wording'

interface Held {
  readonly at: number
  readonly text: string
}

/** Events are told by several followers that look once a second; held for so long they come in order. */
const holdMs = 1_500
const flushMs = 250
const whatWidth = 'communicate'.length

/** Where the demo tells what happens: headings, and lines with the time since the beginning. */
export class Say {
  private startedAt = Date.now()
  private held: Held[] = []
  private timer: NodeJS.Timeout | undefined
  private silent = false

  /** The clock of the timeline begins now, and its lines are put in order. */
  begin(): void {
    this.startedAt = Date.now()
    this.timer = setInterval(() => this.tellUntil(Date.now() - holdMs), flushMs)
  }

  /** The timeline is over: what is held is told, and later lines at once. */
  end(): void {
    clearInterval(this.timer)
    this.timer = undefined
    this.tellUntil(Number.POSITIVE_INFINITY)
  }

  /** Tells what is held and nothing from here on but what `last` says. */
  mute(last: string): void {
    this.end()
    this.heading(last)
    this.silent = true
  }

  heading(text: string): void {
    this.tell(Date.now(), `\n${text}`)
  }

  line(text: string): void {
    this.tell(Date.now(), `  ${text}`)
  }

  /** One event; `at`: milliseconds since the epoch, absent: now. */
  event(what: string, text: string, at = Date.now()): void {
    this.tell(at, `  ${formatClock(at - this.startedAt)}  ${what.padEnd(whatWidth)}  ${text}`)
  }

  private tell(at: number, text: string): void {
    if (this.silent) return
    if (this.timer === undefined) console.log(text)
    else this.held.push({ at, text })
  }

  private tellUntil(moment: number): void {
    const due = this.held.filter(({ at }) => at <= moment).sort((left, right) => left.at - right.at)
    this.held = this.held.filter(({ at }) => at > moment)
    for (const { text } of due) console.log(text)
  }
}
