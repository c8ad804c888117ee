/** Whether tests try all that they can: `npm run test:full` and `npm run test:fault`. `npm test` tries a part of it. */
export const isFull = process.env.SLUICE_TEST_FULL === '1'

/** So many runs, of which `npm test` does a part: a quarter, unless told otherwise. */
export const runs = (full: number, part = Math.ceil(full / 4)): number => (isFull ? full : part)
