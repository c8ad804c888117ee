import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cliPage, commandTree, examplesOf, leavesOf } from '../../tools/docs-cli'

const leaves = leavesOf(commandTree())

/** How wide the columns of a table are drawn says nothing. */
const withoutPadding = (page: string): string => page.replace(/ +\|/g, ' |').replace(/-{3,}/g, '---')

it('docs/cli.md is what tools/docs-cli.ts writes', () => {
  const page = readFileSync(join(__dirname, '../../docs/cli.md'), 'utf8')
  expect(withoutPadding(page)).toBe(withoutPadding(cliPage()))
})

describe('the examples of a command', () => {
  it.each(leaves.map((leaf) => [leaf.path, leaf] as const))('%s: are command lines that it takes', (path, leaf) => {
    const examples = examplesOf(leaf.command)
    expect(examples).not.toEqual([])
    for (const example of examples) {
      expect(example.startsWith(path)).toBe(true)
      const words = example.slice(path.length).match(/"[^"]*"|\S+/g) ?? []
      const used = words.filter((word) => word.startsWith('--'))
      const known = leaf.command.options.map(({ long }) => long)
      expect(known).toEqual(expect.arrayContaining(used))
      const wanted = leaf.command.options.filter(({ mandatory }) => mandatory).map(({ long }) => long)
      expect(used).toEqual(expect.arrayContaining(wanted))
    }
  })
})

it('what changes a lane, a release or a tenant, or makes a release of an experiment, asks for the reason', () => {
  const asking = leaves.filter(({ command }) => command.options.some((one) => one.long === '--reason' && one.mandatory))
  expect(asking.map(({ path }) => path).sort()).toEqual([
    'artifact promote',
    'capture off',
    'capture set',
    'capture show',
    'disable',
    'enable',
    'hold lift',
    'overrides reset',
    'provider confirm',
    'provider dismiss',
    'release advance',
    'release approve',
    'release pause',
    'release reject',
    'release resume',
    'release rollback',
    'rollback',
    'tenant opt-out',
    'tenant override',
  ])
})
