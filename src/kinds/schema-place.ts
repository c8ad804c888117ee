/** Keywords that lead to a part of the value, as people write the way there. */
const named = ['properties', 'required']
const indexed = ['anyOf', 'oneOf', 'allOf']

/** Where in an output a JSON pointer into its schema leads: `/properties/report/properties/csat/type` is `report.csat type`. */
export function placeName(pointer: string): string {
  const segments = pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  let name = ''
  for (let place = 0; place < segments.length; place += 1) {
    const segment = segments[place] as string
    const next = segments[place + 1]
    if (named.includes(segment) && next !== undefined) name += name === '' ? next : `.${next}`
    else if (segment === 'prefixItems' && next !== undefined) name += `[${next}]`
    else if (indexed.includes(segment) && next !== undefined) name += ` ${segment} ${Number(next) + 1}`
    else {
      name += segment === 'items' ? '[]' : ` ${segment}`
      continue
    }
    place += 1
  }
  return name.trim() || 'output'
}
