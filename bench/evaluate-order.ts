/** What the child process is to evaluate. */
export interface EvaluateOrder {
  readonly mongodbUri: string
  readonly database: string
  readonly url: string
  readonly concurrency: number
  readonly candidate: string
  readonly suite: string
  readonly policy: string
  readonly evaluationId: string
  /** Calls of the bare loop that comes before. */
  readonly bareCalls: number
  readonly bodyBytes: number
}

export interface Evaluated {
  readonly seconds: number
  readonly bareSeconds: number
  readonly peakMegabytes: number
  readonly calls: number
  readonly verdict: string
}
