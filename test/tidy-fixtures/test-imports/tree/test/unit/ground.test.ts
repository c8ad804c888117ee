import { ground } from '../support/ground'
export const used = ground
