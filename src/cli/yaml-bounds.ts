import { CST, Lexer } from 'yaml'

const maxNesting = 64
const maxKeys = 20_000
const maxLexemes = 1_000_000

/**
 * Why YAML of a stranger is not parsed, or undefined: parsing takes memory with the nesting, and time with the square of
 * the keys of a mapping. Cutting text into lexemes takes neither.
 */
export function yamlFault(text: string): string | undefined {
  let nesting = 0
  /** Indicators on one line nest too: `- - - -`. */
  let indicators = 0
  let keys = 0
  let lexemes = 0
  for (const lexeme of new Lexer().lex(text)) {
    lexemes += 1
    const type = CST.tokenType(lexeme)
    if (type === 'flow-map-start' || type === 'flow-seq-start') nesting += 1
    else if (type === 'flow-map-end' || type === 'flow-seq-end') nesting -= 1
    else if (type === 'seq-item-ind' || type === 'explicit-key-ind') indicators += 1
    else if (type === 'newline') indicators = 0
    else if (type === 'map-value-ind') keys += 1
    if (nesting > maxNesting || indicators > maxNesting) return `is nested deeper than ${maxNesting}`
    if (keys > maxKeys) return `has more than ${maxKeys} keys: write it as JSON`
    if (lexemes > maxLexemes) return `has more than ${maxLexemes} words of YAML`
  }
  return undefined
}
