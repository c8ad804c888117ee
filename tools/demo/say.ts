import { formatClock } from './wording'

/** Where the demo tells what happens: headings, and lines with the time since the beginning. */
export class Say {
  private startedAt = Date.now()

  /** The clock of the timeline begins now. */
  begin(): void {
    this.startedAt = Date.now()
  }

  get elapsedMs(): number {
    return Date.now() - this.startedAt
  }

  heading(text: string): void {
    console.log(`\n${text}`)
  }

  line(text: string): void {
    console.log(`  ${text}`)
  }

  /** One event; `at`: milliseconds since the epoch, absent: now. */
  event(what: string, text: string, at = Date.now()): void {
    console.log(`  ${formatClock(at - this.startedAt)}  ${what.padEnd(whatWidth)}  ${text}`)
  }
}

const whatWidth = 'communicate'.length
