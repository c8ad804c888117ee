import { stringify } from 'yaml'
import type { KindName } from '../domain/version'
import { SluiceError } from '../errors'
import { kindOf } from '../kinds'
import { canonicalJson } from '../store/canonical'
import { maxFileBytes, parseKeys } from './workspace-file'

/** One version as a file of a workspace will say it; labels stand for references. */
export interface WorkspaceDraft {
  readonly kind: KindName
  readonly name: string
  readonly semver: string
  readonly description: string
  readonly author?: string
  readonly parents?: readonly string[]
  readonly provenance?: Readonly<Record<string, unknown>>
  /** Absent where the rows in a file beside are all of it. */
  readonly content?: unknown
}

/** The text of a file, and the ending of its name that fits. */
export interface FileText {
  readonly ending: '.yaml' | '.json'
  readonly text: string
}

/** `prompts/csat/1.0.0`, to which an ending comes. */
export const stemOf = ({ kind, name, semver }: WorkspaceDraft): string => `${kindOf(kind).folder}/${name}/${semver}`

/** What a draft says, the same for the same draft on every machine. */
export function draftText(draft: WorkspaceDraft): FileText {
  const { kind: _kind, name: _name, semver: _semver, ...keys } = draft
  return keysText(keys, stemOf(draft))
}

/**
 * YAML whose keys stand as given, with those of inner objects sorted; JSON for the rare value that YAML does not bring
 * back. What is written was read back first, so that a file never says another thing than it was made of.
 */
export function keysText(keys: Readonly<Record<string, unknown>>, file: string): FileText {
  const plain = Object.fromEntries(
    Object.entries(keys).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, JSON.parse(canonicalJson(value))]],
    ),
  )
  const forms = [
    () => ({ ending: '.yaml', text: stringify(plain, yamlForm) }) as const,
    () => ({ ending: '.json', text: `${JSON.stringify(plain, undefined, 2)}\n` }) as const,
    () => ({ ending: '.json', text: `${JSON.stringify(plain)}\n` }) as const,
  ]
  let why = 'is nested too deep, or reads as something else'
  for (const form of forms) {
    const written = form()
    if (Buffer.byteLength(written.text) > maxFileBytes) why = `is larger than ${maxFileBytes} bytes`
    else if (isReadBack(written.text, plain, file)) return written
  }
  throw new SluiceError('invalid_content', `No file of a workspace can say ${file}: it ${why}.`, { file })
}

const yamlForm = {
  lineWidth: 0,
  blockQuote: 'literal',
  aliasDuplicateObjects: false,
  version: '1.2',
} as const

function isReadBack(text: string, keys: Readonly<Record<string, unknown>>, file: string): boolean {
  try {
    return canonicalJson(parseKeys(text, file)) === canonicalJson(keys)
  } catch {
    return false
  }
}
