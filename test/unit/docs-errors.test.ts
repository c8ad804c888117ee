import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorPage } from '../../tools/docs-errors'

it('docs/errors.md is what tools/docs-errors.ts writes', () => {
  expect(readFileSync(join(__dirname, '../../docs/errors.md'), 'utf8')).toBe(errorPage())
})
