import { importsOf } from '../imports'
import type { Rule } from '../source'

/**
 * Workflows know the shape of activities only. A value import that is used breaks the workflow bundle; one that is not
 * used is elided in silence until somebody uses it, so the compiler alone does not guard this.
 */
export const activityTypes: Rule = {
  name: 'activity-types',
  check: (files) =>
    importsOf(files)
      .filter(({ from, target, typeOnly }) => {
        return from.startsWith('workflows/') && target?.startsWith('activities/') && !typeOnly
      })
      .map(({ from, line, target }) => ({
        path: from,
        line,
        message: `imports ${target} as a value: \`import type\``,
      })),
}
