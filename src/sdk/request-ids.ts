import { randomBytes } from 'node:crypto'

const randomSize = 16

/**
 * Ids for requests that the application gave none: random as long as a UUID for the client, then counted, because drawing
 * one for each would take as long as all else that a report notes. Hexadecimal: a text that could begin with `-` would be an
 * option where somebody asks a command of the CLI for it.
 */
export class RequestIds {
  private readonly client = randomBytes(randomSize).toString('hex')
  private count = 0

  next(): string {
    return `${this.client}.${++this.count}`
  }
}
