import { type Finding, findAll, isCode, isTest, type Rule, type SourceFile } from '../source'
import { child, isIdentifier, isMember, list, type ParsedFile, parse, type SyntaxNode } from '../syntax'

/** Something the house does not use, with what it uses instead. */
export interface Ban {
  readonly name: string
  readonly instead: string
  /** Where it holds; absent: in all code. */
  readonly where?: (path: string) => boolean
  readonly matches: (node: SyntaxNode, parsed: ParsedFile) => boolean
}

const isPure = (path: string): boolean => /^(src\/(domain|stats)|workflows)\//.test(path)

const mayReadEnvironment = (path: string): boolean =>
  /^(src\/config\.ts|src\/embedded\/|tools\/|test\/|examples\/|bench\/)/.test(path)
const mayPrint = (path: string): boolean => /^(src\/cli\/print\.ts|tools\/|examples\/|bench\/)/.test(path)

const isCall = (node: SyntaxNode, names: readonly string[]): boolean =>
  node.type === 'CallExpression' && names.some((name) => isIdentifier(child(node, 'callee'), name))

export const bans: readonly Ban[] = [
  {
    name: 'enum',
    instead: 'an `as const` object or a union of strings',
    matches: (node) => node.type === 'TsEnumDeclaration',
  },
  {
    name: 'any',
    instead: '`unknown`, then a check',
    matches: (node) => node.type === 'TsKeywordType' && node.kind === 'any',
  },
  {
    name: 'I-prefix',
    instead: 'the name of the thing itself',
    matches: (node) => node.type === 'TsInterfaceDeclaration' && /^I[A-Z][a-z]/.test(String(child(node, 'id')?.value)),
  },
  {
    name: 'default-export',
    instead: 'a named export',
    // Jest takes its set-up and tear-down from a default export.
    where: (path) => !/^test\/support\/[a-z-]+-(setup|teardown)\.ts$/.test(path),
    matches: (node) => node.type === 'ExportDefaultExpression' || node.type === 'ExportDefaultDeclaration',
  },
  {
    name: 'process.env',
    instead: 'a field of the configuration that src/config.ts reads',
    where: (path) => !mayReadEnvironment(path),
    matches: (node) => isMember(node, 'process', 'env'),
  },
  {
    name: 'console',
    instead: 'src/log.ts, or src/cli/print.ts for people',
    where: (path) => !mayPrint(path),
    matches: (node) => isMember(node, 'console'),
  },
  {
    name: 'clock',
    instead: 'a `now` that the caller hands in',
    // In a workflow `Date.now()` is workflow time, the same at every replay.
    where: (path) => isPure(path) && !path.startsWith('workflows/'),
    matches: (node) => isMember(node, 'Date', 'now') || isMember(node, 'performance', 'now') || isBareDate(node),
  },
  {
    name: 'randomness',
    instead: 'a value that the caller hands in',
    where: isPure,
    matches: (node) => isMember(node, 'Math', 'random') || isMember(node, 'crypto'),
  },
  {
    name: 'node-module',
    instead: 'pure code; effects belong in activities',
    where: isPure,
    matches: (node) =>
      node.type === 'ImportDeclaration' && String(child(node, 'source')?.value).startsWith('node:') && !node.typeOnly,
  },
  {
    name: 'empty-catch',
    instead: 'handling the error, or a comment that says why nothing is right',
    matches: (node, parsed) =>
      node.type === 'CatchClause' && bodyOf(node).length === 0 && !/\/[/*]/.test(parsed.textOf(node)),
  },
  {
    name: 'focused-test',
    instead: 'running one test from the command line',
    where: isTest,
    matches: (node) =>
      isCall(node, ['xit', 'fit', 'xtest', 'xdescribe', 'fdescribe']) ||
      ['it', 'test', 'describe'].some((name) => isMember(node, name, 'only') || isMember(node, name, 'skip')),
  },
  {
    name: 'fixed-sleep',
    instead: 'waiting for the fact itself, with test/support',
    where: (path) => isTest(path) && !path.startsWith('test/support/'),
    matches: (node) =>
      (isCall(node, ['setTimeout']) && firstArgument(node)?.type === 'Identifier') ||
      (node.type === 'ImportDeclaration' && child(node, 'source')?.value === 'node:timers/promises'),
  },
]

const bodyOf = (clause: SyntaxNode): readonly SyntaxNode[] => list(child(clause, 'body') ?? clause, 'stmts')

const isBareDate = (node: SyntaxNode): boolean =>
  node.type === 'NewExpression' &&
  isIdentifier(child(node, 'callee'), 'Date') &&
  (!Array.isArray(node.arguments) || node.arguments.length === 0)

function firstArgument(call: SyntaxNode): SyntaxNode | undefined {
  const [first] = call.arguments as readonly { expression: SyntaxNode }[]
  return first?.expression
}

/** Notes to oneself; written apart so that this file does not hold them. */
const unfinished = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`, 'g')

/** What the house does not use. Each message names the replacement. */
export const banRule: Rule = {
  name: 'bans',
  check: (files) => files.filter((file) => isCode(file.path)).flatMap(checkFile),
}

function checkFile(file: SourceFile): Finding[] {
  const notes = findAll(file, unfinished, (word) => `unfinished: ${word}; finish it or say the limit in the docs`)
  return [...notes, ...checkNodes(file)]
}

function checkNodes(file: SourceFile): Finding[] {
  const parsed = parse(file)
  const held = bans.filter(({ where }) => where === undefined || where(file.path))
  return parsed.nodes.flatMap((node) =>
    held
      .filter((ban) => ban.matches(node, parsed))
      .map((ban) => ({
        path: file.path,
        line: parsed.lineOf(node),
        message: `banned: ${ban.name}; use ${ban.instead}`,
      })),
  )
}
