const units = [
  { name: 'd', ms: 86_400_000 },
  { name: 'h', ms: 3_600_000 },
  { name: 'min', ms: 60_000 },
  { name: 's', ms: 1_000 },
] as const

/** A length of time in its two largest units: `350 ms`, `12 s`, `1 h 30 min`, `7 d`. */
export function durationText(ms: number): string {
  const place = units.findIndex((unit) => ms >= unit.ms)
  const unit = units[place]
  if (unit === undefined) return `${Math.max(0, Math.round(ms))} ms`
  const whole = Math.floor(ms / unit.ms)
  const next = units[place + 1]
  const rest = next === undefined ? 0 : Math.floor((ms - whole * unit.ms) / next.ms)
  return next === undefined || rest === 0 ? `${whole} ${unit.name}` : `${whole} ${unit.name} ${rest} ${next.name}`
}

/** Enough of a digest to tell it from others; `--json` has the whole. */
export const shortDigest = (digest: string): string => digest.slice(0, 'sha256:'.length + 12)

const justNowMs = 1_000

/** How long ago a moment was, by this machine's clock. */
export function agoText(at: number): string {
  const agoMs = Date.now() - at
  return agoMs < justNowMs ? 'just now' : `${durationText(agoMs)} ago`
}

/** `14:02:11`, local time. */
export const clockText = (at: number): string => new Date(at).toTimeString().slice(0, 8)

/** `2026-03-01 14:02`, local time. */
export function dateText(at: number): string {
  const local = new Date(at)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${local.getFullYear()}-${two(local.getMonth() + 1)}-${two(local.getDate())}`
  return `${day} ${two(local.getHours())}:${two(local.getMinutes())}`
}

/** `1 tenant`, `40 tenants`. */
export const countText = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

/** `awaiting_approval` as people read it. */
export const plainText = (code: string): string => code.replaceAll('_', ' ')

export const percentText = (share: number | undefined): string =>
  share === undefined ? '–' : `${(share * 100).toFixed(2)} %`

/** One line of at most `width` characters. */
export function cutText(text: string, width: number): string {
  const line = text.trim().replace(/\s+/g, ' ')
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`
}
