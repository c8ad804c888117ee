/** Known before a workflow is started, so that a second start of the same meets the first. One release a task. */
export const releaseWorkflowId = (task: string): string => `release/${task}`
export const rescoreWorkflowId = (rescoreId: string): string => `rescore/${rescoreId}`
export const garbageWorkflowId = (runId: string): string => `collect-garbage/${runId}`
export const garbageScheduleId = (queue: string): string => `collect-garbage/${queue}`
