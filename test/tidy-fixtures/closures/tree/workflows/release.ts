import { digestOf } from '../src/domain/digest'
export const release = digestOf
