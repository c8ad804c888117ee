import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SluiceError } from '../../src/errors'
import type { Begin, FromApplication, Order, Row, ToApplication } from './messages'

export interface Answer {
  readonly row: Row
  readonly binding?: string
}

export interface Ended {
  readonly dropped: number
  /** What the SDK told as errors. */
  readonly faults: readonly string[]
}

interface Waiting {
  resolve(answer: Answer): void
  reject(error: Error): void
}

const endMs = 30_000

/** One application process, as the demo sees it. */
export class Application {
  readonly name: string
  readonly log: string | undefined
  /** Rejects when the process ends or fails without being told to stop; never resolves. */
  readonly failure: Promise<never>
  private readonly child: ChildProcess
  private readonly waiting = new Map<number, Waiting>()
  private readonly ready: Promise<void>
  private readonly ended: Promise<Ended>
  private readonly gone: Promise<void>
  private stopping: Promise<Ended> | undefined

  constructor(begin: Begin) {
    this.name = begin.name
    this.log = begin.log
    this.child = fork(join(__dirname, 'app.js'), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    let fail: (error: Error) => void = () => undefined
    let ready: () => void = () => undefined
    let ended: (how: Ended) => void = () => undefined
    this.failure = new Promise<never>((_, reject) => {
      fail = (error) => {
        reject(error)
        for (const { reject: refuse } of this.waiting.values()) refuse(error)
      }
    })
    this.failure.catch(() => undefined)
    this.ready = new Promise((resolve) => {
      ready = resolve
    })
    this.ended = new Promise((resolve) => {
      ended = resolve
    })
    this.gone = new Promise((resolve) => this.child.once('exit', () => resolve()))
    void this.gone.then(() => fail(new SluiceError('internal', `The application ${this.name} ended.`)))
    this.child.on('message', (message: FromApplication) => {
      if (message.kind === 'ready') ready()
      else if (message.kind === 'ended') ended(message)
      else if (message.kind === 'failed') fail(new SluiceError('internal', `${this.name}: ${message.message}`))
      else this.answered(message)
    })
    this.tell(begin)
  }

  async started(): Promise<void> {
    await Promise.race([this.ready, this.failure])
  }

  score(order: Order): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.waiting.set(order.id, { resolve, reject })
      this.tell(order)
    })
  }

  /** Lets it report everything; a process that does not end in time is killed. */
  stop(): Promise<Ended> {
    this.stopping ??= this.stopInTime()
    return this.stopping
  }

  rows(): readonly Row[] {
    if (this.log === undefined) return []
    const lines = readFileSync(this.log, 'utf8').split('\n')
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Row)
  }

  private async stopInTime(): Promise<Ended> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), endMs)
    this.tell({ kind: 'stop' })
    const how = await Promise.race([this.ended, this.gone.then(() => undefined)])
    await this.gone
    clearTimeout(timer)
    return how ?? { dropped: 0, faults: [`${this.name} ended before everything was reported`] }
  }

  private answered({ id, row, binding }: Extract<FromApplication, { kind: 'answer' }>): void {
    const waiting = this.waiting.get(id)
    this.waiting.delete(id)
    waiting?.resolve({ row, ...(binding === undefined ? {} : { binding }) })
  }

  private tell(message: ToApplication): void {
    if (this.child.connected) this.child.send(message, () => undefined)
  }
}
