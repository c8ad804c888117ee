import { errors } from './errors'
export const metrics = { errors }
