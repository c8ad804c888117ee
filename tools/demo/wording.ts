/** `2:07.3`, minutes and seconds. */
export function formatClock(ms: number): string {
  const tenths = Math.max(0, Math.round(ms / 100))
  const seconds = Math.floor(tenths / 10)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}.${tenths % 10}`
}

export const formatSeconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`

/** Enough of a composite's id to tell it from others. */
export const short = (digest: string): string => digest.slice('sha256:'.length, 'sha256:'.length + 8)

/** A command as a person would type it; digests are cut. */
export function commandText(program: string, args: readonly string[]): string {
  const words = args.map((word) => (/^[\w@./:=-]+$/.test(word) ? word : `'${word}'`))
  return [program, ...words].join(' ').replace(/(sha256:[0-9a-f]{8})[0-9a-f]{56}/g, '$1…')
}
