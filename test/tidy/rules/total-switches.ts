import { type Finding, isCode, isTest, type Rule, type SourceFile } from '../source'
import { list, parse } from '../syntax'

/** A switch says what it does with what it does not know: `assertNever` for a closed union, a throw or a return else. */
export const totalSwitches: Rule = {
  name: 'total-switches',
  check: (files) => files.filter((file) => isCode(file.path) && !isTest(file.path)).flatMap(checkFile),
}

function checkFile(file: SourceFile): Finding[] {
  const parsed = parse(file)
  return parsed.nodes
    .filter((node) => node.type === 'SwitchStatement')
    .filter((node) => list(node, 'cases').at(-1)?.test !== null)
    .map((node) => ({
      path: file.path,
      line: parsed.lineOf(node),
      message: 'a switch without a last default: close it with `default: return assertNever(…)`',
    }))
}
