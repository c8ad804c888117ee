/** Something `doctor` found. `look`: a person's decision is pending; `wrong`: something does not work. */
export interface Finding {
  readonly level: 'ok' | 'look' | 'wrong'
  readonly about: string
  readonly text: string
  /** What to do about it; absent where all is well. */
  readonly remedy?: string
}

export const ok = (about: string, text: string): Finding => ({ level: 'ok', about, text })
export const look = (about: string, text: string, remedy: string): Finding => ({ level: 'look', about, text, remedy })
export const wrong = (about: string, text: string, remedy: string): Finding => ({ level: 'wrong', about, text, remedy })
