import { createHmac, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { wellFormed } from '../domain/text'
import { type Delivery, defineChannel, type Message } from './channel'

/** `whsec_` and the key in base64, 24 to 64 bytes, as Standard Webhooks writes it. */
const secretShape = /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/
const defaultTimeoutMs = 5_000
/** Within the time that a worker gives to one round of deliveries. */
const maxTimeoutMs = 10_000
/** A receiver that asks for longer waits is tried after this. */
const maxRetryAfterMs = 3_600_000
const maxReasonCharacters = 300

const options = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .max(2_000)
    .refine((url) => !namesUser(url), 'the signature authenticates; leave user name and password out'),
  secret: z.string().regex(secretShape),
  timeoutMs: z.int().min(100).max(maxTimeoutMs).optional(),
})

/**
 * Posts each note as Standard Webhooks describes (standardwebhooks.com, specification 1.0): `webhook-id` is the message
 * id on every attempt, `webhook-signature` is `v1,` and the base64 HMAC-SHA256 over `<id>.<timestamp>.<body>`.
 */
export const webhook = defineChannel({
  name: 'webhook',
  options,
  secrets: ['secret'],
  defaults: () => ({ secret: newWebhookSecret() }),
  async send(message, { url, secret, timeoutMs }, context) {
    const body = webhookBody(message)
    const timestamp = String(Math.floor(context.now / 1000))
    try {
      const id = webhookId(message.id)
      const response = await fetch(url, {
        method: 'POST',
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs ?? defaultTimeoutMs),
        headers: {
          'content-type': 'application/json',
          'user-agent': 'sluice',
          'webhook-id': id,
          'webhook-timestamp': timestamp,
          'webhook-signature': webhookSignature(secret, id, timestamp, body),
        },
        body,
      })
      await response.body?.cancel()
      return deliveryOf(response, context.now)
    } catch (error) {
      return { result: 'retry', reason: faultOf(error as Error) }
    }
  },
})

/** `fetch` refuses such a URL, and its error repeats the password. */
function namesUser(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { username, password } = new URL(url)
  return username !== '' || password !== ''
}

/** A secret to share with a receiver: 32 random bytes. */
export const newWebhookSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`

/** The message id as a header may carry it, without the full stop that separates what is signed. */
export const webhookId = (id: string): string =>
  wellFormed(id).replace(/[^\w/:-]/gu, (found) => (found === '.' ? '%2E' : encodeURIComponent(found)))

/** The same bytes on every attempt. */
function webhookBody({ kind, enqueuedAt, data }: Message): string {
  return JSON.stringify({ type: `note.${kind}`, timestamp: new Date(enqueuedAt).toISOString(), data })
}

export function webhookSignature(secret: string, id: string, timestamp: string, body: string): string {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}

/** 408, 425, 429 and 5xx may pass; a redirect, 410 and every other 4xx stay as they are. */
function deliveryOf({ status, headers }: Response, now: number): Delivery {
  if (status >= 200 && status < 300) return { result: 'delivered', receipt: `HTTP ${status}` }
  const reason = `the receiver answered HTTP ${status}`
  if (status === 410) return { result: 'refused', reason: `${reason}: it wants no more messages here` }
  if (status < 500 && ![408, 425, 429].includes(status)) return { result: 'refused', reason }
  const retryAfterMs = retryAfter(headers.get('retry-after'), now)
  return { result: 'retry', reason, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}

/** Seconds or an HTTP date (RFC 9110, 10.2.3); what cannot be read counts as not said. */
function retryAfter(text: string | null, now: number): number | undefined {
  if (text === null) return undefined
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : / GMT$/.test(text) ? Date.parse(text) - now : Number.NaN
  return Number.isFinite(waitMs) ? Math.min(Math.max(waitMs, 0), maxRetryAfterMs) : undefined
}

function faultOf(error: Error): string {
  if (error.name === 'TimeoutError') return 'the receiver did not answer in time'
  // The text of an error may repeat the URL, by which many receivers know who may write to them.
  const cause = (error.cause as { code?: string } | undefined)?.code ?? error.name
  return `the receiver cannot be reached (${cause})`.slice(0, maxReasonCharacters)
}
