/** The queue of workflows and activities; a worker may be given another one. */
export const mainQueue = 'sluice'

/** The safety clocks run on a queue of their own, so that nothing can take their slots. */
export const watchQueueOf = (queue: string): string => `${queue}-watch`

/** Work that takes minutes to hours runs on a queue of its own, so that releases never wait for a slot behind it. */
export const bulkQueueOf = (queue: string): string => `${queue}-bulk`
