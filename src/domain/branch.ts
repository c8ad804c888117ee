/** Which way a router sent one request, and why. */
export interface Branch {
  /** Name of the candidate that answered; where none did, of the last one asked. */
  readonly candidate: string
  readonly by: 'rule' | 'label' | 'default' | 'classifier_failed'
  /** Index of the rule that held. */
  readonly rule?: number
  /** What the classifier answered, also where no candidate or too little confidence goes with it. */
  readonly label?: string
  /** Index in `fallbacks`, where the candidate that was chosen failed. */
  readonly fallback?: number
}

/** The request log keeps a branch as text of at most this length. */
export const maxBranchLength = 200

/** The candidate in the text of a branch; undefined where the text is none. */
export const candidateOf = (branch: string): string | undefined =>
  /(?:^|.*: )(\S+?)(?:, fallback \d+)?$/.exec(branch)?.[1]

/** A branch as reports count it: the words of a classifier that name no candidate are without number. */
export const branchName = ({ label, ...rest }: Branch): string =>
  branchText(rest.by === 'label' && label !== undefined ? { ...rest, label } : rest)

/** A branch as the request log holds it: `rule 2: large`, `label hard: large, fallback 0`. */
export function branchText({ candidate, by, rule, label, fallback }: Branch): string {
  const reasons = {
    rule: `rule ${rule}`,
    label: `label ${label}`,
    default: label === undefined ? 'default' : `default for ${label}`,
    classifier_failed: 'classifier failed',
  }
  const end = `: ${candidate}${fallback === undefined ? '' : `, fallback ${fallback}`}`
  return `${reasons[by].slice(0, maxBranchLength - end.length)}${end}`
}
