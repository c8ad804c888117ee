import {
  Client,
  Connection,
  isGrpcServiceError,
  ScheduleAlreadyRunning,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import type { GarbageInput } from '../workflows/garbage-messages'
import {
  type CommandPayload,
  commandSignals,
  commandUpdates,
  type ReleaseInput,
  releaseStatus,
} from '../workflows/messages'
import type { RescoreInput } from '../workflows/rescore-messages'
import { searchAttributes } from '../workflows/search-attributes'
import { bulkQueueOf, mainQueue, watchQueueOf } from '../workflows/task-queues'
import { garbageScheduleId, garbageWorkflowId, releaseWorkflowId, rescoreWorkflowId } from '../workflows/workflow-ids'
import type { CommandName, ReleaseState } from './domain/release'
import { type ErrorCode, errorTable, SluiceError } from './errors'

/** Calls to Temporal are given up after this long; the caller says so instead of hanging. */
const callDeadlineMs = 5_000

export interface WorkflowPlace {
  readonly workflowId: string
  readonly runId?: string
}

export type WorkflowHealth =
  | { readonly kind: 'running'; readonly failingTaskAttempts: number; readonly failure?: string }
  | { readonly kind: 'closed'; readonly status: string }
  | { readonly kind: 'unknown' }

/** Everything the product asks of Temporal from outside a workflow. All methods throw `temporal_unavailable`. */
export interface Orchestrator {
  /**
   * Returns the run id; of this very release, where it runs already. Code release_running, naming the holder, where another
   * one of this task runs.
   */
  startRelease(input: ReleaseInput & { releaseId: string }): Promise<string>
  /** Starts the workflow of an opened rescore; where it runs already, nothing happens. */
  startRescore(input: RescoreInput & { rescoreId: string }): Promise<void>
  /** Starts the workflow of an opened run of retention; where it runs already, nothing happens. */
  startGarbage(input: GarbageInput & { runId: string }): Promise<void>
  /** Makes the schedule of retention, or gives the one that stands this pace; whether it is paused stays as it is. */
  scheduleGarbage(everyHours: number): Promise<void>
  /** Codes: the refusal's own, release_closed. */
  command(place: WorkflowPlace, name: CommandName, payload: CommandPayload): Promise<ReleaseState>
  /** A signal: fire and forget. */
  signal(place: WorkflowPlace, name: CommandName, payload: CommandPayload): Promise<void>
  status(place: WorkflowPlace): Promise<ReleaseState | undefined>
  health(place: WorkflowPlace): Promise<WorkflowHealth>
  close(): Promise<void>
}

/** After an outage the product is back within seconds; the default waits up to two minutes. */
const reconnectSoon = { 'grpc.initial_reconnect_backoff_ms': 500, 'grpc.max_reconnect_backoff_ms': 2_000 }

const hourMs = 3_600_000

export async function connectTemporal(address: string, namespace: string, queue = mainQueue): Promise<Orchestrator> {
  const connection = Connection.lazy({ address, channelArgs: reconnectSoon })
  return orchestratorOf(new Client({ connection, namespace }), queue, () => connection.close())
}

function orchestratorOf(client: Client, queue: string, close: () => Promise<void>): Orchestrator {
  const ask = async <T>(call: () => Promise<T>): Promise<T> => {
    try {
      return await client.withDeadline(Date.now() + callDeadlineMs, call)
    } catch (error) {
      throw translated(error)
    }
  }
  const handle = ({ workflowId, runId }: WorkflowPlace) => client.workflow.getHandle(workflowId, runId)
  return {
    startRelease: (input) => ask(() => startRelease(client, queue, input)),
    startRescore: (input) => ask(() => startRescore(client, queue, input)),
    startGarbage: (input) => ask(() => startGarbage(client, queue, input)),
    scheduleGarbage: (everyHours) => ask(() => scheduleGarbage(client, queue, everyHours)),
    command: (place, name, payload) =>
      ask(() => handle(place).executeUpdate(commandUpdates[name], { args: [payload] })),
    signal: (place, name, payload) => ask(() => handle(place).signal(commandSignals[name], payload)),
    async status(place) {
      return ask(() => handle(place).query(releaseStatus))
    },
    health: (place) => ask(() => healthOf(client, place)),
    close,
  }
}

async function startRelease(
  client: Client,
  taskQueue: string,
  input: ReleaseInput & { releaseId: string },
): Promise<string> {
  try {
    return await startWorkflow(client, taskQueue, input)
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
    const standing = await client.workflow.getHandle(error.workflowId).describe()
    const isOurs = standing.status.name === 'RUNNING' && standing.memo?.releaseId === input.releaseId
    if (!isOurs) throw error
    return standing.raw.workflowExecutionInfo?.firstRunId || standing.runId
  }
}

async function startWorkflow(
  client: Client,
  taskQueue: string,
  input: ReleaseInput & { releaseId: string },
): Promise<string> {
  const { task, why } = input.request
  const handle = await client.workflow.start('release', {
    args: [input],
    taskQueue,
    workflowId: releaseWorkflowId(task),
    workflowIdConflictPolicy: 'FAIL',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    staticSummary: `${task}: ${why}`.slice(0, 200),
    staticDetails: Object.entries(input.request.change)
      .map(([role, ref]) => `${role} → ${ref}`)
      .join(', '),
    memo: { releaseId: input.releaseId, author: input.author },
  })
  return handle.firstExecutionRunId
}

async function startRescore(
  client: Client,
  taskQueue: string,
  input: RescoreInput & { rescoreId: string },
): Promise<void> {
  const { rescoreId, task, suite, by } = input
  await client.workflow.start('rescore', {
    args: [input],
    taskQueue,
    workflowId: rescoreWorkflowId(rescoreId),
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    staticSummary: `${task} on ${suite}`.slice(0, 200),
    memo: { rescoreId, author: by },
  })
}

async function startGarbage(client: Client, taskQueue: string, input: GarbageInput & { runId: string }): Promise<void> {
  const { runId, by } = input
  await client.workflow.start('collectGarbage', {
    args: [input],
    taskQueue,
    workflowId: garbageWorkflowId(runId),
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    staticSummary: `retention, asked for by ${by}`.slice(0, 200),
    memo: { runId, author: by },
  })
}

/** A start that was missed for longer is left out: the next one drops the same. */
const catchupWindow = '1 hour'

async function scheduleGarbage(client: Client, taskQueue: string, everyHours: number): Promise<void> {
  const spec = { intervals: [{ every: `${everyHours} hours` as const }] }
  const scheduleId = garbageScheduleId(taskQueue)
  const handle = client.schedule.getHandle(scheduleId)
  const input: GarbageInput = { by: 'schedule', scheduled: true }
  const action = {
    type: 'startWorkflow' as const,
    workflowType: 'collectGarbage',
    workflowId: 'collect-garbage/scheduled',
    args: [input],
    taskQueue,
  }
  try {
    await client.schedule.create({ scheduleId, spec, action, policies: { overlap: 'SKIP', catchupWindow } })
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error
    const [standing] = (await handle.describe()).spec.intervals ?? []
    if (standing?.every === everyHours * hourMs) return
    await handle.update(({ state, policies }) => ({ spec, action, policies, state }))
  }
}

async function healthOf(client: Client, { workflowId, runId }: WorkflowPlace): Promise<WorkflowHealth> {
  try {
    const { status, raw, runId: currentRun } = await client.workflow.getHandle(workflowId, runId).describe()
    if (status.name !== 'RUNNING' && status.name !== 'PAUSED') return { kind: 'closed', status: status.name }
    const failingTaskAttempts = Math.max(0, (raw.pendingWorkflowTask?.attempt ?? 1) - 1)
    if (failingTaskAttempts === 0) return { kind: 'running', failingTaskAttempts }
    const failure = await lastTaskFailure(client, { workflowId, runId: currentRun })
    return { kind: 'running', failingTaskAttempts, ...(failure === undefined ? {} : { failure }) }
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { kind: 'unknown' }
    throw error
  }
}

const recentEvents = 20
const maxFailureLength = 500

/** Why the newest failed workflow task failed, in the worker's words. */
async function lastTaskFailure(client: Client, execution: WorkflowPlace): Promise<string | undefined> {
  const { history } = await client.workflowService.getWorkflowExecutionHistoryReverse({
    namespace: client.options.namespace,
    execution,
    maximumPageSize: recentEvents,
  })
  const failed = history?.events?.find((event) => event.workflowTaskFailedEventAttributes)
  const message = failed?.workflowTaskFailedEventAttributes?.failure?.message
  return message?.slice(0, maxFailureLength)
}

/** What there is to know of a Temporal server that the product is to run on. */
export interface TemporalReport {
  readonly version: string
  readonly hasNamespace: boolean
  readonly missingSearchAttributes: readonly string[]
  /** Queue → workers that asked it for work lately. */
  readonly workers: Readonly<Record<string, number>>
}

/** Pollers ask again within a minute; who asked longer ago is gone. */
const pollerFreshMs = 70_000
const namespaceNotFound = 5

/** Looks at the server itself. Throws `temporal_unavailable`. */
export async function inspectTemporal(address: string, namespace: string, queue = mainQueue): Promise<TemporalReport> {
  const connection = await connectNow(address)
  try {
    return await connection.withDeadline(Date.now() + callDeadlineMs, () => inspect(connection, namespace, queue))
  } catch (error) {
    throw translated(error)
  } finally {
    await connection.close()
  }
}

async function connectNow(address: string): Promise<Connection> {
  try {
    return await Connection.connect({ address, connectTimeout: callDeadlineMs })
  } catch {
    throw new SluiceError('temporal_unavailable', `Nothing answers at ${address}.`)
  }
}

async function inspect(connection: Connection, namespace: string, queue: string): Promise<TemporalReport> {
  const { workflowService, operatorService } = connection
  const { serverVersion } = await workflowService.getClusterInfo({})
  const report = { version: serverVersion, workers: {}, missingSearchAttributes: [] }
  try {
    await workflowService.describeNamespace({ namespace })
  } catch (error) {
    if (isGrpcServiceError(error) && error.code === namespaceNotFound) return { ...report, hasNamespace: false }
    throw error
  }
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace })
  const wanted = Object.values(searchAttributes).map(({ name }) => name)
  const queues = [queue, watchQueueOf(queue), bulkQueueOf(queue)]
  const counts = await Promise.all(queues.map((name) => workersOf(connection, namespace, name)))
  return {
    ...report,
    hasNamespace: true,
    missingSearchAttributes: wanted.filter((name) => customAttributes?.[name] === undefined),
    workers: Object.fromEntries(queues.map((name, index) => [name, counts[index] ?? 0])),
  }
}

const activityQueue = 2

/** Every queue of the product has activities, so their pollers are its workers. */
async function workersOf({ workflowService }: Connection, namespace: string, name: string): Promise<number> {
  const question = { namespace, taskQueue: { name }, taskQueueType: activityQueue }
  const { pollers } = await workflowService.describeTaskQueue(question)
  const since = Date.now() - pollerFreshMs
  return (pollers ?? []).filter(({ lastAccessTime: at }) => Number(at?.seconds ?? 0) * 1_000 >= since).length
}

function translated(error: unknown): unknown {
  if (error instanceof WorkflowExecutionAlreadyStartedError) {
    return new SluiceError('release_running', `The workflow ${error.workflowId} runs a release of this task.`)
  }
  if (error instanceof WorkflowNotFoundError)
    return new SluiceError('release_closed', 'The release has ended; it takes no more commands.')
  if (error instanceof WorkflowUpdateFailedError) return refusalOf(error)
  if (isOutage(error)) return new SluiceError('temporal_unavailable', outageText(error as Error))
  return error
}

const deadlineExceeded = 4

/** A call that nobody answers in time looks the same whether Temporal or the worker is away. */
function outageText(error: Error): string {
  const { cause } = error
  const late = [error, cause].some((one) => isGrpcServiceError(one) && one.code === deadlineExceeded)
  if (!late && !(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) {
    return `Temporal does not answer: ${error.message}`
  }
  return `No answer within ${callDeadlineMs / 1_000} s: Temporal is down or slow, or no worker runs.`
}

/** The client wraps what gRPC says; either way Temporal, and not the request, is at fault. */
function isOutage(error: unknown): boolean {
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isGrpcServiceError(error)) return true
  return error instanceof Error && (isGrpcServiceError(error.cause) || 'code' in error)
}

function refusalOf(error: WorkflowUpdateFailedError): SluiceError {
  const { cause } = error
  const type = cause instanceof ApplicationFailure ? (cause.type ?? '') : ''
  const code = type in errorTable ? (type as ErrorCode) : 'command_refused'
  return new SluiceError(code, cause?.message ?? error.message)
}
