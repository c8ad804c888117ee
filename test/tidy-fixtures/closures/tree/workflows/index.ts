export { release } from './release'
