import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { policyKind } from '../../src/kinds/policy'

const pages = ['guardrails.md', 'statistics.md']

/** Every YAML block of a page; each is a part of a policy. */
const blocks = pages.flatMap((page) => {
  const text = readFileSync(join(__dirname, '../../docs', page), 'utf8')
  return [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml = '']) => [page, yaml] as const)
})

it.each(blocks)('%s shows parts of a policy that can be pushed: %s', (_, yaml) => {
  expect(policyKind.schema.safeParse(parse(yaml))).toMatchObject({ success: true })
})

it('shows some', () => {
  expect(new Set(blocks.map(([page]) => page))).toEqual(new Set(pages))
})
