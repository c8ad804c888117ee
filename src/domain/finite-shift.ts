import type { FieldShift, ShiftDetail } from './evaluation'

/**
 * A shift without what has no finite value, such as the tested difference where one group alone has the field: nothing
 * is known of its error, and JSON has no word for infinite bounds. Verdicts of earlier versions were stored with them.
 */
export function finiteShift({ before, after, detail, ...rest }: FieldShift): FieldShift {
  return {
    ...rest,
    ...(isKnown(before) && { before }),
    ...(isKnown(after) && { after }),
    ...(detail && { detail: finiteDetail(detail) }),
  }
}

function finiteDetail({ spread, difference, ...rest }: ShiftDetail): ShiftDetail {
  const hasSpread = spread !== undefined && allFinite(spread.before) && allFinite(spread.after)
  return { ...rest, ...(hasSpread && { spread }), ...(difference && allFinite(difference) && { difference }) }
}

const isKnown = (value: number | undefined): value is number => Number.isFinite(value)

const allFinite = (figures: object): boolean => Object.values(figures).every(isKnown)
