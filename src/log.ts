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

/** Only what went wrong and where is logged: a driver's error carries the documents that it could not write. */
export function logFault(
  log: Log | undefined,
  error: unknown,
  about: { readonly text: string; readonly [field: string]: unknown },
): void {
  const { text, ...fields } = about
  log?.error({ ...fields, stack: (error as Partial<Error> | undefined)?.stack ?? String(error) }, text)
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
