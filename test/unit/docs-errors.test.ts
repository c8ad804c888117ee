import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorPage } from '../../tools/docs-errors'

/** How wide the columns of a table are drawn says nothing. */
const withoutPadding = (page: string): string => page.replace(/ +\|/g, ' |').replace(/-{3,}/g, '---')

it('docs/errors.md is what tools/docs-errors.ts writes', () => {
  const page = readFileSync(join(__dirname, '../../docs/errors.md'), 'utf8')
  expect(withoutPadding(page)).toBe(withoutPadding(errorPage()))
})
