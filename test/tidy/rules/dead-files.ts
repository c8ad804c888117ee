import { reachable } from '../imports'
import { isCode, isTest, type Rule, type SourceFile } from '../source'

/** Where programs begin. Everything else lives because one of these uses it. */
const entries =
  /^(src\/(worker|server|main)\.ts|src\/cli\/main\.ts|src\/sdk\/(index|openfeature)\.ts|src\/console\/[^/]+\.ts|workflows\/index\.ts|(tools|bench|examples)\/.*\.ts|test\/.*\.test\.ts)$/

/** A file of the product that only tests reach is as dead as one that nobody imports. */
export const deadFiles: Rule = {
  name: 'dead-files',
  check(files) {
    const roots = files.map(({ path }) => path).filter((path) => entries.test(path) || isNamedElsewhere(path, files))
    const product = reachable(
      files,
      roots.filter((path) => !isTest(path)),
      true,
    )
    const all = reachable(files, roots, true)
    return files
      .filter(({ path }) => isCode(path) && !(isTest(path) ? all : product).has(path))
      .map(({ path }) => ({
        path,
        line: 1,
        message: all.has(path) ? 'only tests import it: use it or delete it' : 'nobody imports it: delete it',
      }))
  },
}

/** Started by its path: from package.json, a jest configuration, or a fork. */
function isNamedElsewhere(path: string, files: readonly SourceFile[]): boolean {
  const bare = path.slice(path.lastIndexOf('/') + 1).replace(/\.tsx?$/, '')
  if (bare === 'index') return false
  const escaped = bare.replaceAll('.', '\\.')
  const started = new RegExp(`['"/ ]${escaped}\\.(ts|js)\\b`)
  const configured = new RegExp(`'${escaped}'`)
  return files.some(
    (file) =>
      file.path !== path &&
      ((/\.(ts|js|json|ya?ml)$/.test(file.path) && started.test(file.text)) ||
        (file.path === 'jest.config.js' && configured.test(file.text))),
  )
}
