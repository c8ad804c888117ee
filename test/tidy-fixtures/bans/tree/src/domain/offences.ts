import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
enum Phase {
  plan = 'plan',
}
let anything: any
interface IRelease {
  id: string
}
export default Phase
const home = process.env.HOME
console.log(home)
const now = Date.now()
const today = new Date()
const then = new Date(now)
const chance = Math.random()
try {
  createHash('sha256')
} catch {}
try {
  createHash('sha256')
} catch {
  // An unknown algorithm leaves the hash out on purpose.
}
// TODO: finish
export const all: Hash | IRelease | unknown = [anything, today, then, chance]
