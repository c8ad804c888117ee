import { type ClassedChange, describeChange, isRecord, own, sameJson } from '../domain/diff'
import { compareKeywords } from './schema-compare'
import { alternatives } from './schema-compare-unions'
import type { Comparer } from './schema-comparer'
import { type Sides, sameMeaning } from './schema-equal'
import { type Bounded, type Conjunct, type Meaning, type SchemaNode, schemaGraph } from './schema-graph'
import { placeName } from './schema-place'
import { inputRuleOf, inputRules, rulesOfPresence, type SchemaRuleName, schemaRules } from './schema-rules'
import { annotations } from './schema-shape'

/** Steps of one comparison, and how deep it goes; beyond it the answer is `too_large`, which breaks. */
export const maxCompareSteps = 50_000
const maxCompareDepth = 300

/**
 * What a change of an output schema means for those who read outputs. Safe is only what is proved: every value that
 * fits the new schema fits the old one as a reader takes it, who ignores keys that he does not know. So what closes an
 * object (`additionalProperties: false`) does not count, but within `not`, `if`, `oneOf` and the like; nothing else is
 * relaxed. What is not proved breaks, and so do a key that goes and an object that is opened.
 */
export function compareSchemas(before: SchemaNode, after: SchemaNode): readonly ClassedChange[] {
  return compareIn(before, after, false)
}

/**
 * What a change of a schema means for those who give values that fit it: the other way round. Safe is only what is
 * proved: every value that fitted the old schema fits the new one. Callers give no keys that their schema does not name,
 * so a new key is left out, as far as it is plain which keys are named: where unions or conditions are, it is not.
 */
export function compareInputs(before: SchemaNode, after: SchemaNode): readonly ClassedChange[] {
  return compareIn(after, before, true)
}

function compareIn(wider: SchemaNode, narrower: SchemaNode, given: boolean): readonly ClassedChange[] {
  const sides = sidesOf(wider, narrower)
  const comparison = new SchemaComparison(sides, given)
  try {
    comparison.compare('', wider, narrower)
    // A proof may need more than a look at the two forms; where these are the same, only the words about them changed.
    if (sameMeaning(sides, wider, narrower)) return comparison.changes.filter((change) => change.rule === 'annotation')
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error
    comparison.note('', ['a schema', 'another schema'], 'too_large')
  }
  return comparison.changes
}

class TooLarge extends Error {}

function sidesOf(before: SchemaNode, after: SchemaNode): Sides {
  let steps = 0
  let depth = 0
  const bounded: Bounded = (work) => {
    steps += 1
    if (steps > maxCompareSteps || depth >= maxCompareDepth) throw new TooLarge()
    depth += 1
    const answer = work()
    depth -= 1
    return answer
  }
  return { before: schemaGraph(before, bounded), after: schemaGraph(after, bounded), bounded }
}

type Pair = readonly [before: unknown, after: unknown]

/** Facts about pairs of nodes. */
class Pairs {
  private readonly facts = new Map<unknown, Map<unknown, boolean>>()
  get(before: unknown, after: unknown): boolean | undefined {
    return this.facts.get(before)?.get(after)
  }
  set(before: unknown, after: unknown, fact: boolean): void {
    const inner = this.facts.get(before) ?? new Map<unknown, boolean>()
    this.facts.set(before, inner.set(after, fact))
  }
  delete(before: unknown, after: unknown): void {
    this.facts.get(before)?.delete(after)
  }
}

const areSafe = (changes: readonly ClassedChange[]): boolean => changes.every((change) => change.class === 'safe')

class SchemaComparison implements Comparer {
  readonly sides: Sides
  readonly given: boolean
  readonly changes: ClassedChange[] = []
  /** Pairs under way. Met again within themselves they are taken to fit: recursion ends with the value. */
  private readonly open = new Pairs()
  /** Pairs whose differences are told already. */
  private readonly told = new Pairs()
  private readonly toldPairs: Pair[] = []
  private readonly proved = new Pairs()
  /** What was proved while another proof was under way rests on it, and falls with it. */
  private readonly trail: Pair[] = []
  private proofs = 0

  constructor(sides: Sides, given: boolean) {
    this.sides = sides
    this.given = given
  }

  note(path: string, [wider, narrower]: readonly [unknown, unknown], found: SchemaRuleName | 'input_added'): void {
    const rule = this.given && found !== 'input_added' ? inputRuleOf(found) : found
    const { class: risk, means } = { ...schemaRules, ...inputRules }[rule]
    const [before, after] = this.given ? [narrower, wider] : [wider, narrower]
    const { text, ...change } = describeChange(path, before, after, placeName(path))
    const words = rulesOfPresence.includes(rule) ? `${placeName(path)}: ${means}` : means && `${text} (${means})`
    this.changes.push({ ...change, text: words || text, class: risk, rule })
  }

  compare(path: string, before: unknown, after: unknown): void {
    if (this.open.get(before, after) || (this.proofs === 0 && this.told.get(before, after))) return
    this.open.set(before, after, true)
    this.sides.bounded(() => this.compareMeanings(path, before, after))
    this.open.delete(before, after)
    if (this.proofs === 0 && isRecord(before) && isRecord(after)) {
      this.told.set(before, after, true)
      this.toldPairs.push([before, after])
    }
  }

  proves(before: unknown, after: unknown): boolean {
    const known = this.proved.get(before, after)
    if (known !== undefined) return known
    if (this.open.get(before, after)) return true
    const rests = this.trail.length
    const isSame = sameMeaning(this.sides, before, after)
    const fits = isSame || areSafe(this.tried(() => this.compare('', before, after)))
    if (isSame) this.proved.set(before, after, true)
    else if (fits) this.trail.push([before, after])
    else for (const pair of this.trail.splice(rests)) this.proved.delete(...pair)
    this.proved.set(before, after, fits)
    return fits
  }

  breaks(tell: () => void): boolean {
    const first = this.changes.length
    tell()
    return !areSafe(this.changes.slice(first))
  }

  /** The changes that `tell` tells, kept out of the answer. */
  private tried(tell: () => void): readonly ClassedChange[] {
    const first = this.changes.length
    this.proofs += 1
    tell()
    this.proofs -= 1
    return this.changes.splice(first)
  }

  private compareMeanings(path: string, before: unknown, after: unknown): void {
    const old = this.sides.before.meaning(before)
    const now = this.sides.after.meaning(after)
    this.compareAnnotations(path, old, now)
    if (now === false || (old !== false && old.length === 0)) {
      const isSame = old === false || (now !== false && now.length === 0)
      if (!isSame) this.note(path, [before, after], 'restriction_added')
      return
    }
    if (old === false) this.note(path, [before, after], 'values_widened')
    else if (this.given && !now.every(isPlain)) this.compareWhole(path, { old, now, place: 0, before, after })
    else for (const place of old.keys()) this.compareConjunct(path, { old, now, place, before, after })
  }

  /** One thing that the old schema demands: it follows from one that the new demands, or from each alternative of it. */
  private compareConjunct(path: string, meanings: Meanings): void {
    const { old, now, place, before, after } = meanings
    const demand = old[place] as Conjunct
    const tellings: Telling[] = []
    for (const other of inTurn(now.length > 0 ? now : [nothing], place)) {
      const telling = this.heard(() => this.compareConjuncts(path, [demand, other], after))
      if (areSafe(telling.changes)) {
        this.say(telling)
        return
      }
      tellings.push(telling)
    }
    if (this.provesAll(before, alternatives(after, now))) this.note(path, [before, after], 'branches_narrowed')
    else for (const telling of tellings.slice(0, 1)) this.say(telling)
  }

  /** What `tell` tells, kept out of the answer until it is said. */
  private heard(tell: () => void): Telling {
    const [first, firstTold] = [this.changes.length, this.toldPairs.length]
    tell()
    const told = this.toldPairs.splice(firstTold)
    for (const pair of told) this.told.delete(...pair)
    return { changes: this.changes.splice(first), told }
  }

  private say({ changes, told }: Telling): void {
    this.changes.push(...changes)
    for (const pair of told) this.told.set(...pair, true)
    this.toldPairs.push(...told)
  }

  /** Where it is not plain which keys callers give: as it was, or alternative by alternative. */
  private compareWhole(path: string, { now, before, after }: Meanings): void {
    if (sameMeaning(this.sides, before, after)) return
    const rule = this.provesAll(before, alternatives(after, now)) ? 'branches_narrowed' : 'not_compared'
    this.note(path, [before, after], rule)
  }

  private provesAll(before: unknown, ways: readonly unknown[]): boolean {
    return ways.length > 1 && ways.every((way) => this.proves(before, way))
  }

  private compareConjuncts(path: string, [old, now]: readonly [Conjunct, Conjunct], after: unknown): void {
    const { unevaluatedProperties } = old.keywords
    if (unevaluatedProperties === undefined || typeof unevaluatedProperties === 'boolean') {
      compareKeywords(this, { path, old: old.keywords, now: now.keywords, after })
    } else if (!sameMeaning(this.sides, old.origin, now.origin)) {
      // It looks at all that is said beside it, so the whole node has to stay as it is.
      this.note(`${path}/unevaluatedProperties`, [old.origin, now.origin], 'not_compared')
    }
  }

  private compareAnnotations(path: string, ...sides: readonly [Meaning, Meaning]): void {
    const [before = {}, after = {}] = sides.map((meaning): SchemaNode => (meaning || [])[0]?.keywords ?? {})
    for (const keyword of annotations) {
      const values: [unknown, unknown] = [own(before, keyword), own(after, keyword)]
      if (!sameJson(...values)) this.note(`${path}/${keyword}`, values, 'annotation')
    }
  }
}

/** Changes that may be told, with the pairs whose differences they are. */
interface Telling {
  readonly changes: readonly ClassedChange[]
  readonly told: readonly Pair[]
}

/** Keywords that may say more about a key, or a key of a key, than stands under its name. */
const branching = ['anyOf', 'oneOf', 'not', 'if', 'dependentSchemas', 'dependencies', 'contains', 'patternProperties']

const isPlain = ({ keywords }: Conjunct, _: number, all: readonly Conjunct[]): boolean =>
  all.length === 1 && branching.every((keyword) => !Object.hasOwn(keywords, keyword))

interface Meanings {
  readonly old: readonly Conjunct[]
  readonly now: readonly Conjunct[]
  /** Of the old conjunct. */
  readonly place: number
  readonly before: unknown
  readonly after: unknown
}

const nothing: Conjunct = { keywords: {}, origin: {} }

/** All of a list, the one at `place` first. */
const inTurn = <T>(list: readonly T[], place: number): readonly T[] => [
  ...list.slice(place, place + 1),
  ...list.slice(0, place),
  ...list.slice(place + 1),
]
