import type { Store } from '../../store/store'
import { openStore } from '../../store/store'
export const notes = [openStore as Store]
