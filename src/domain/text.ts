/**
 * Half of a surrogate pair is a string in JavaScript and no text anywhere else: stores and wires turn it into U+FFFD, so
 * a hash that was taken before fits what is kept no more. Every text in the value has that done to it here already. Walks
 * the value by recursion: whoever hands in what strangers made bounds its depth first.
 */
export function wellFormed<T>(value: T): T {
  if (typeof value === 'string') return value.toWellFormed() as T
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(wellFormed) as T
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name.toWellFormed(), wellFormed(member)]),
  ) as T
}

/** Of what somebody says for the record, in UTF-16 code units: the API refuses more, of a signal the rest is cut off. */
export const maxReasonLength = 2_000

/** At most so many UTF-16 code units of a foreign text, and never half a character at the cut. */
export function cutText(text: string, maxLength: number): string {
  const cut = text.length > maxLength ? text.slice(0, maxLength).replace(/[\ud800-\udbff]$/, '') : text
  return cut.toWellFormed()
}
