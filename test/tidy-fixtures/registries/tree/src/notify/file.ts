import { paper } from './paper'
export const file = paper
