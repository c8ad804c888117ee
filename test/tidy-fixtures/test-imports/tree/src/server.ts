import { other } from './other'
import { ground } from '../test/support/ground'
export const server = [other, ground]
