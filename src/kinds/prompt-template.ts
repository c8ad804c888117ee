/** A template cut into literal text and variables. */
export type TemplatePart = { readonly literal: string } | { readonly variable: string }

/** Why a template cannot be read, and where. */
export class TemplateFault extends Error {
  /** Offset in the template, in UTF-16 code units. */
  readonly offset: number
  constructor(message: string, offset: number) {
    super(message)
    this.name = 'TemplateFault'
    this.offset = offset
  }
}

const variableName = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/

/**
 * Cuts `{{name}}` out of a template; `\{{` is a literal `{{`. Logic, partials and helpers are refused with a
 * `TemplateFault` rather than sent to the engine as text.
 */
export function parseTemplate(template: string): readonly TemplatePart[] {
  const parts: TemplatePart[] = []
  let literal = ''
  let place = 0
  while (place < template.length) {
    const open = template.indexOf('{{', place)
    if (open < 0) break
    if (template[open - 1] === '\\') {
      literal += `${template.slice(place, open - 1)}{{`
      place = open + 2
      continue
    }
    literal += template.slice(place, open)
    const close = template.indexOf('}}', open + 2)
    if (close < 0) throw new TemplateFault('{{ is never closed', open)
    if (literal !== '') parts.push({ literal })
    literal = ''
    parts.push({ variable: readName(template.slice(open + 2, close), open) })
    place = close + 2
  }
  literal += template.slice(place)
  if (literal !== '') parts.push({ literal })
  return parts
}

function readName(inner: string, offset: number): string {
  const name = inner.trim()
  if (variableName.test(name)) return name
  throw new TemplateFault(`{{${inner}}} is no variable: write {{name}}, or \\{{ for literal braces`, offset)
}
