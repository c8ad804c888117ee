import { createHash } from 'node:crypto'
export const digestOf = createHash
