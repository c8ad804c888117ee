/** The queue of workflows and activities; a worker may be given another one. */
export const mainQueue = 'sluice'

/** The safety clocks run on a queue of their own, so that nothing can take their slots. */
export const watchQueueOf = (queue: string): string => `${queue}-watch`
