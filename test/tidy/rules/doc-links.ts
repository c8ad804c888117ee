import { posix } from 'node:path'
import { type Finding, lineAt, type Rule, type SourceFile } from '../source'

const link = /\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)/g

/** A relative link in a page leads to a file or folder of the repository. */
export const docLinks: Rule = {
  name: 'doc-links',
  check(files) {
    const paths = files.map(({ path }) => path)
    return files.filter(({ path }) => path.endsWith('.md')).flatMap((file) => checkPage(file, paths))
  },
}

function checkPage(file: SourceFile, paths: readonly string[]): Finding[] {
  return [...file.text.matchAll(link)].flatMap((match) => {
    const target = posix.join(posix.dirname(file.path), match[1] ?? '').replace(/\/$/, '')
    if (target === '.' || paths.some((path) => path === target || path.startsWith(`${target}/`))) return []
    return [{ path: file.path, line: lineAt(file.text, match.index), message: `the link ${match[1]} leads nowhere` }]
  })
}
