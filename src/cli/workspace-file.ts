import { readFileSync, statSync } from 'node:fs'
import { Composer, type CST, type Document, Lexer, LineCounter, Parser } from 'yaml'
import { nestingFault, nestingText } from '../domain/nesting'
import { SluiceError } from '../errors'

export const maxFileBytes = 4_000_000
/** Endings of files that say one version. */
export const fileEndings = ['.yaml', '.yml', '.json', '.prompt'] as const

export const malformed = (file: string, line: number | undefined, why: string): SluiceError =>
  new SluiceError('malformed_file', `${file}${line === undefined ? '' : `:${line}`}: ${why}.`, {
    file,
    ...(line === undefined ? {} : { line }),
  })

export function readText(path: string, file: string): string {
  if (statSync(path).size > maxFileBytes) throw malformed(file, undefined, `is larger than ${maxFileBytes} bytes`)
  return readFileSync(path, 'utf8')
}

/** Aliases of one file: each may stand for much, and for aliases again. */
const maxAliases = 100
const maxFileLevels = 200

/** Keys and values of a YAML or JSON file (JSON is YAML). Throws `malformed_file` with the line. */
export function parseKeys(text: string, file: string): Readonly<Record<string, unknown>> {
  const value = readYaml(text, file)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(file, 1, 'holds no keys and values')
  }
  return value as Readonly<Record<string, unknown>>
}

/** Throws `malformed_file` also for what is meant to take for ever. `linesAbove`: of the file, before the text. */
export function readYaml(text: string, file: string, linesAbove = 0): unknown {
  const plain = plainJson(text)
  const value = plain === undefined ? composed(text, file, linesAbove) : plain
  const fault = nestingFault(value, maxFileLevels)
  if (fault !== undefined) throw malformed(file, undefined, nestingText(fault, maxFileLevels))
  return value
}

/** Where white space stands between the words of JSON, or a word in quotes is. */
const spaceOrWord = /"(?:[^"\\]|\\.)*"|\s+/gs

/** What has as many levels is left to the reader of YAML, which counts those of its tokens. */
const maxPlainLevels = maxFileLevels - 2

/**
 * JSON more than ten times faster than as YAML, which reads it alike. Undefined: it is no JSON, or something of it would be
 * lost (a key that stands twice, a number of too many digits), or YAML means something else by it (a carriage return
 * alone), which is for the other reader to judge.
 */
function plainJson(text: string): unknown {
  if (!/^\s*[[{]/.test(text) || /\r(?!\n)/.test(text)) return undefined
  try {
    const value: unknown = JSON.parse(text)
    if (nestingFault(value, maxPlainLevels) !== undefined) return undefined
    const words = text.replace(spaceOrWord, (found) => (found.startsWith('"') ? found : ''))
    return JSON.stringify(value) === words ? value : undefined
  } catch {
    // It is no JSON. YAML it may be.
    return undefined
  }
}

function composed(text: string, file: string, linesAbove: number): unknown {
  const counter = new LineCounter()
  const composer = new Composer({ prettyErrors: false })
  const [document, further] = composer.compose(shallowTokens(text, file, counter), true, text.length)
  if (document === undefined || further !== undefined) throw malformed(file, undefined, 'is no single YAML document')
  const [error] = document.errors
  if (error !== undefined) throw malformed(file, counter.linePos(error.pos[0]).line + linesAbove, error.message)
  return withoutManyAliases(document, file)
}

/** Tokens of YAML. What is made of them goes into them level by level, so too many levels end here. */
function* shallowTokens(text: string, file: string, counter: LineCounter): Generator<CST.Token> {
  const parser = new Parser(counter.addNewLine)
  counter.addNewLine(0)
  for (const lexeme of new Lexer().lex(text)) {
    yield* parser.next(lexeme)
    if (parser.stack.length > maxFileLevels) throw malformed(file, undefined, nestingText('deep', maxFileLevels))
  }
  yield* parser.end()
}

function withoutManyAliases(document: Pick<Document, 'toJS'>, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: maxAliases })
  } catch (error) {
    if (error instanceof ReferenceError) throw malformed(file, undefined, error.message)
    throw error
  }
}
