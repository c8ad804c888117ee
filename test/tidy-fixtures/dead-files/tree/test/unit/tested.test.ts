import { tested } from '../../src/domain/tested'
import { ground } from '../support/ground'
export const used = [tested, ground]
