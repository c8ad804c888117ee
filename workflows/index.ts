/** Every exported function is registered as a workflow type under its name. */
export { collectGarbage } from './collect-garbage'
export { release } from './release'
export { rescore } from './rescore'
