import { flushAtExit, forgetAtExit } from '../../src/sdk/at-exit'

const many = 30

it('listens once for any number of clients, and flushes each of them once', () => {
  const before = process.listeners('beforeExit')
  const added = () => process.listeners('beforeExit').filter((listener) => !before.includes(listener))
  const flushed: number[] = []
  const clients = Array.from({ length: many }, (_, index) => ({
    async flushLast() {
      flushed.push(index)
    },
  }))
  for (const client of clients) flushAtExit(client)
  expect(added()).toHaveLength(1)
  const [first, ...others] = clients
  if (first !== undefined) forgetAtExit(first)
  expect(added()).toHaveLength(1)
  if (first !== undefined) flushAtExit(first)
  for (const listener of added()) listener(0)
  expect(flushed.sort((left, right) => left - right)).toEqual(clients.map((_, index) => index))
  expect(added()).toEqual([])
  for (const client of [...others, ...clients]) forgetAtExit(client)
  expect(added()).toEqual([])
})
