/** Task queues; workers and clients import these names from here. */
export const taskQueues = { main: 'sluice', watch: 'sluice-watch', bulk: 'sluice-bulk' } as const
