import { isCode, type Rule } from '../source'

const maxLines = 400

/** A file holds one concept, and one concept fits into 400 lines. */
export const fileLength: Rule = {
  name: 'file-length',
  check: (files) =>
    files
      .filter((file) => isCode(file.path))
      .map((file) => ({ path: file.path, lines: file.text.trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > maxLines)
      .map(({ path, lines }) => ({
        path,
        line: maxLines + 1,
        message: `${lines} lines, at most ${maxLines}: split it by concept`,
      })),
}
