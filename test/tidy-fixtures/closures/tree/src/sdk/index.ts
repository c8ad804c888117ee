import type { Settings } from '../kinds/settings'
import { scoreOf } from '../scorers/score'
export const connect = (settings: Settings) => scoreOf(settings)
