import pino, { type Logger } from 'pino'
import type { LogLevel } from './config'

export type Log = Logger

const standardError = 2

/** JSON lines on standard error, so that standard output stays for what a program is asked to print. */
export function openLog(name: string, level: LogLevel): Log {
  return pino(
    { name, level, redact: { paths: secretPaths, censor: '(secret)' }, base: { pid: process.pid } },
    pino.destination({ dest: standardError, sync: true }),
  )
}

/** Credentials a careless log line could carry. */
const secretPaths = [
  'apiKey',
  '*.apiKey',
  'authorization',
  '*.authorization',
  'req.headers.authorization',
  'mongodbUri',
  '*.mongodbUri',
]
