/** Text that is the same for values that are equal as JSON: keys sorted, −0 as 0. Values come from JSON, bounded in depth. */
export function jsonKey(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(jsonKey).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${jsonKey(inner)}`).join(',')}}`
  }
  return JSON.stringify(value) ?? 'undefined'
}
