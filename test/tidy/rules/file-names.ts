import { isCode, type Rule } from '../source'

const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.tsx?$/
const vague = /^(utils?|helpers?|common|misc|shared)\b|-part-|-(one|two)\.ts$/

/** A file is named after the one thing inside, in kebab-case. */
export const fileNames: Rule = {
  name: 'file-names',
  check: (files) =>
    files
      .filter((file) => isCode(file.path))
      .flatMap(({ path }) => {
        const name = path.slice(path.lastIndexOf('/') + 1)
        if (!kebab.test(name)) return [{ path, line: 1, message: 'not kebab-case: rename it' }]
        if (vague.test(name)) return [{ path, line: 1, message: 'a name for anything: name the one thing inside' }]
        return []
      }),
}
