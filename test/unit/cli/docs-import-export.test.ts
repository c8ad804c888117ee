import { readFileSync } from 'node:fs'
import { importers } from '../../../src/cli/imports'
import { caseChecks } from '../../../src/scorers/checks'
import { commandTree, leavesOf } from '../../../tools/docs-cli'
import { contentsOf, importFiles, price, rowsOf } from '../../support/import'

const docs = readFileSync('docs/import-export.md', 'utf8')
const block = (language: string): string => new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(docs)?.[1] ?? ''

describe('docs/import-export.md', () => {
  it('shows what its configuration becomes', async () => {
    const run = await importFiles('promptfoo', { 'promptfooconfig.yaml': block('yaml') }, { args: price })
    expect(run.err).toBe('')
    expect(Object.keys(contentsOf(run)).sort()).toEqual([
      'dataset/capitals@1.0.0',
      'engine/gpt-4o-mini@1.0.0',
      'prompt/prompt-1@1.0.0',
      'suite/capitals@1.0.0',
    ])
    expect(rowsOf(run)).toEqual([JSON.parse(block('json'))])
  })

  it('names every format and every check', () => {
    for (const name of Object.keys(importers)) expect(docs).toContain(`| \`${name}\` |`)
    for (const name of Object.keys(caseChecks)) expect(docs).toContain(`\`${name}\``)
  })

  it('shows commands that there are', () => {
    const known = leavesOf(commandTree()).map(({ path }) => path)
    const shown = [...docs.matchAll(/^\$ sluice (.*)$/gm)].map(([, line = '']) => line)
    expect(shown.length).toBeGreaterThan(4)
    for (const line of shown) expect(known.some((path) => line.startsWith(path))).toBe(true)
  })
})
