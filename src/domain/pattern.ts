import { assertNever } from '../errors'
import { type Assertion, type Atom, PatternFault, type PatternNode, parsePattern } from './pattern-parse'

/** A regular expression that takes time in proportion to the text, whatever the expression. */
export interface LinearPattern {
  test(text: string): boolean
  /** What `test` answers, with the steps it took: at most `size` for every character and one more. */
  run(text: string): { readonly matches: boolean; readonly steps: number }
  /** Instructions that the expression became. */
  readonly size: number
  /** The expression as it was written. */
  toString(): string
}

type Instruction =
  | { readonly kind: 'atom'; readonly atom: Atom }
  | { readonly kind: 'assertion'; readonly holds: Assertion }
  | { readonly kind: 'go'; readonly to: number[] }
  | { readonly kind: 'match' }

const maxInstructions = 5000
const maxRemembered = 1000
const compiled = new Map<string, LinearPattern>()

/**
 * Compiles a JavaScript regular expression to an automaton that follows all ways at once (Thompson 1968) instead of
 * trying one after another, so that no expression and no text take exponential time. Answers what `RegExp.test` does.
 * Throws `PatternFault` for what is no expression, back-references, look-around, and repeats that are too large.
 */
export function compilePattern(pattern: string, flags = ''): LinearPattern {
  const name = `/${pattern}/${flags}`
  const known = compiled.get(name)
  if (known !== undefined) return known
  const program: Instruction[] = []
  emit(program, parsePattern(pattern, flags))
  program.push({ kind: 'match' })
  const run = (text: string) => runProgram(program, charactersOf(text, flags))
  const fresh: LinearPattern = {
    test: (text) => run(text).matches,
    run,
    size: program.length,
    toString: () => name,
  }
  if (compiled.size >= maxRemembered) compiled.clear()
  compiled.set(name, fresh)
  return fresh
}

function emit(program: Instruction[], node: PatternNode): void {
  if (program.length > maxInstructions) throw new PatternFault(`takes more than ${maxInstructions} instructions`)
  switch (node.kind) {
    case 'atom':
    case 'assertion':
      program.push(node)
      return
    case 'sequence':
      for (const part of node.parts) emit(program, part)
      return
    case 'choice':
      emitChoice(program, node.parts)
      return
    case 'repeat':
      emitRepeat(program, node)
      return
    default:
      assertNever(node)
  }
}

function emitChoice(program: Instruction[], parts: readonly PatternNode[]): void {
  const fork = go(program)
  const ends: { readonly to: number[] }[] = []
  for (const part of parts) {
    fork.to.push(program.length)
    emit(program, part)
    ends.push(go(program))
  }
  for (const end of ends) end.to.push(program.length)
}

function emitRepeat(program: Instruction[], { part, min, max }: PatternNode & { readonly kind: 'repeat' }): void {
  for (let count = 0; count < min; count += 1) emit(program, part)
  if (max === Number.POSITIVE_INFINITY) {
    const again = program.length
    const fork = go(program)
    fork.to.push(program.length)
    emit(program, part)
    go(program).to.push(again)
    fork.to.push(program.length)
    return
  }
  const forks: { readonly to: number[] }[] = []
  for (let count = min; count < max; count += 1) {
    const fork = go(program)
    fork.to.push(program.length)
    emit(program, part)
    forks.push(fork)
  }
  for (const fork of forks) fork.to.push(program.length)
}

function go(program: Instruction[]): { readonly to: number[] } {
  const instruction = { kind: 'go' as const, to: [] }
  program.push(instruction)
  if (program.length > maxInstructions) throw new PatternFault(`takes more than ${maxInstructions} instructions`)
  return instruction
}

/** With the flag `u` a character is a code point, else a UTF-16 unit. */
function* charactersOf(text: string, flags: string): Generator<string> {
  if (flags.includes('u')) yield* text
  else for (let place = 0; place < text.length; place += 1) yield text.charAt(place)
}

function runProgram(program: readonly Instruction[], text: Generator<string>) {
  /** The last round in which an instruction was reached. */
  const reached = new Uint32Array(program.length)
  let steps = 0
  let round = 0
  let waiting: number[] = []
  let before: string | undefined
  let after = text.next()
  for (;;) {
    round += 1
    const places = [...waiting, 0]
    waiting = []
    const character = after.done ? undefined : after.value
    for (let place = places.pop(); place !== undefined; place = places.pop()) {
      if (reached[place] === round) continue
      reached[place] = round
      steps += 1
      const instruction = program[place] as Instruction
      if (instruction.kind === 'match') return { matches: true, steps }
      if (instruction.kind === 'go') places.push(...instruction.to)
      else if (instruction.kind === 'atom') {
        if (character !== undefined && instruction.atom.takes(character)) waiting.push(place + 1)
      } else if (instruction.holds(before, character)) places.push(place + 1)
    }
    if (character === undefined) return { matches: false, steps }
    before = character
    after = text.next()
  }
}
