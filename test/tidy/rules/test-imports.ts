import { importsOf } from '../imports'
import { isTest, type Rule } from '../source'

/** Tests depend on the product, never the other way round. */
export const testImports: Rule = {
  name: 'test-imports',
  check: (files) =>
    importsOf(files)
      .filter(({ from, target }) => !isTest(from) && target !== undefined && isTest(target))
      .map(({ from, line, target }) => ({
        path: from,
        line,
        message: `imports ${target}: move what both need out of test/`,
      })),
}
