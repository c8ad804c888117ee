/** Where a command says what it found: text for people, or one JSON document with `--json`. */
export interface Printer {
  /** Whether `--json` was given. */
  readonly json: boolean
  /** One line for people; silent with `--json`. */
  line(text?: string): void
  /** Columns aligned, headed; silent with `--json`. */
  table(headings: readonly string[], rows: readonly (readonly string[])[]): void
  /** The machine-readable answer; printed only with `--json`. Long-running commands may print several (one a line). */
  data(value: unknown): void
  /** Progress on the error stream, so that it never mixes with the answer; silent with `--json`. */
  progress(text: string): void
}

/** The two streams of a process, as far as printing needs them. */
export interface Output {
  out(text: string): void
  err(text: string): void
}

export function createPrinter(output: Output, isJson: () => boolean): Printer {
  const line = (text = '') => {
    if (!isJson()) output.out(`${text}\n`)
  }
  return {
    get json() {
      return isJson()
    },
    line,
    table(headings, rows) {
      for (const text of tableLines(headings, rows)) line(text)
    },
    data(value) {
      if (isJson()) output.out(`${JSON.stringify(value)}\n`)
    },
    progress(text) {
      if (!isJson()) output.err(`${text}\n`)
    },
  }
}

function tableLines(headings: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const text = (cells: readonly string[]) =>
    widths
      .map((width, column) => (cells[column] ?? '').padEnd(width))
      .join('  ')
      .trimEnd()
  return [text(headings), ...rows.map(text)]
}
