/** A model of the simulated engine. The prices are in the engine artifact, not here: a provider does not send them. */
export interface SimulatedModel {
  readonly id: string
  readonly fingerprint: string
  /** Standard deviation of its judgement's wobble at temperature 1, in points. */
  readonly wobble: number
  /** Reads transfers off the tool calls and judges them by themselves, whatever the prompt says. */
  readonly readsTools: boolean
  readonly latency: { readonly baseMs: number; readonly perInputTokenMs: number; readonly perOutputTokenMs: number }
}

export const models: readonly SimulatedModel[] = [
  {
    id: 'sim-small-1',
    fingerprint: 'fp_small_1',
    wobble: 1,
    readsTools: false,
    latency: { baseMs: 180, perInputTokenMs: 0.05, perOutputTokenMs: 6 },
  },
  {
    id: 'sim-large-1',
    fingerprint: 'fp_large_1',
    wobble: 0.5,
    readsTools: true,
    latency: { baseMs: 300, perInputTokenMs: 0.12, perOutputTokenMs: 14 },
  },
]
