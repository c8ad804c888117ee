import { SluiceError } from '../errors'
export const known = new SluiceError('not_found')
export const unknown = new SluiceError('lost')
