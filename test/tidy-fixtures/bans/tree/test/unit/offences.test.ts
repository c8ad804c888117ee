import { setTimeout as sleep } from 'node:timers/promises'
it.only('runs alone', async () => {
  await sleep(1)
  await new Promise((resolve) => setTimeout(resolve, 100))
  setTimeout(() => sleep, 100)
})
describe.skip('rests', () => {})
it('runs', () => {})
xit('rests too', () => {})
