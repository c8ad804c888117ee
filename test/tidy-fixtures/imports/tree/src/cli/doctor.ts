import { openStore } from '../store/store'
export const doctor = openStore
