/**
 * The one table of error codes. `docs/errors.md` is checked against it.
 * A code is stable for ever: callers switch on it; the message is for people and may change.
 */
export interface ErrorRow {
  /** HTTP status the API answers with. */
  readonly status: number
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retryable: boolean
  /** What it means and what to do about it, one sentence each. */
  readonly help: string
}

const row = (status: number, help: string, retryable = false): ErrorRow => ({ status, retryable, help })

export const errorTable = {
  // requests
  invalid_request: row(400, 'The request is malformed. Correct the fields named in `details` and send it again.'),
  unauthenticated: row(401, 'No valid API key was given. Send `Authorization: Bearer <key>`.'),
  forbidden: row(403, 'The API key has not the role this call needs. Use a key with the role named in the message.'),
  key_exists: row(409, 'This API key is known under another name or role, or was revoked. Draw a new one.'),
  not_found: row(404, 'Nothing exists under this name. Check the spelling; list what exists first.'),
  idempotency_conflict: row(409, 'This Idempotency-Key was used for another request. Use a fresh key.'),
  payload_too_large: row(413, 'The body is over the size limit. Send it in smaller parts.'),
  rate_limited: row(429, 'Too many calls. Wait as long as `retry-after` says, then try again.', true),
  internal: row(500, 'An unexpected fault. Nothing was half-written; see the server log under the request id.', true),
  store_unavailable: row(503, 'MongoDB does not answer. Try again; `sluice doctor` tells what is wrong.', true),
  temporal_unavailable: row(503, 'Temporal does not answer. Try again; `sluice doctor` tells what is wrong.', true),
  request_in_progress: row(409, 'The first call with this Idempotency-Key still runs. Ask again in a moment.', true),
  api_unreachable: row(503, 'No Sluice server answers there. Start it with `sluice up` or correct SLUICE_URL.', true),
  no_answer: row(504, 'The server takes longer than the command waits. See what it did before you ask again.', true),
  // versions and composites
  unknown_kind: row(400, 'No artifact kind has this name. `details.kinds` lists them.'),
  unknown_ref: row(
    404,
    'A reference names nothing that is registered. Push the artifact first or correct the reference.',
  ),
  malformed_ref: row(400, 'The reference cannot be read. Write `kind/name@semver` or `kind/name@sha256:…`.'),
  malformed_file: row(400, 'A file cannot be read. Correct it at the place named in the message.'),
  version_exists: row(409, 'This semver is registered with other content. Register the content under a new semver.'),
  semver_understated: row(409, 'The change is larger than its semver says. Raise it as `details.suggested` says.'),
  invalid_content: row(400, 'The content does not fit its kind. Correct the fields named in `details`.'),
  prompt_variables: row(400, 'The values do not fit the variables of the prompt. Give exactly those it names.'),
  immutable_field: row(409, 'This field can never change for this artifact. Register a new artifact and a mapping.'),
  digest_mismatch: row(
    409,
    'The content does not have the digest it claims. It was altered; take it from its source again.',
  ),
  file_differs: row(409, 'A file with other content stands there. Look at it; `--force` writes over it.'),
  lossy_import: row(409, 'The file says more than can be taken over. Read what is lost; `--lossy` takes the rest.'),
  content_dropped: row(
    410,
    'Retention dropped this content; its metadata stands. Push the same content again to restore it under its digest.',
  ),
  merge_refused: row(
    409,
    'Two versions are not merged into one that nobody tested. Promote one, or register a new version with both as parents.',
  ),
  promotion_refused: row(409, 'Only a tested experiment becomes a release. The message says what it lacks.'),
  step_failed: row(500, 'The command of a dataset step failed on this machine. Its own words above say why.'),
  // lanes
  lane_moved: row(409, 'The lane has a newer entry than expected. Read its head and decide again.'),
  lane_held: row(
    409,
    'The lane refuses every start after a rollback. Lift it with `sluice hold lift` when the cause is known.',
  ),
  lane_disabled: row(409, 'The task is disabled in this environment. `sluice enable` it first.'),
  vetoed: row(409, 'This composite may not be released again in this lane. Lift it with `sluice hold lift --veto`.'),
  undeployable: row(
    409,
    'The composite has no passing test evidence for the current suite. Run `sluice eval run` on it.',
  ),
  change_breaks: row(
    409,
    'The composite breaks those who read the task. Make it a new task that supersedes it, or name the exception in the policy.',
  ),
  not_settled: row(
    409,
    'The composite never was the settled incumbent of this lane. Choose one that was: `sluice active`.',
  ),
  no_previous: row(
    409,
    'The lane has no earlier settled composite to go back to. `sluice disable` turns the task off.',
  ),
  invalid_entry: row(400, 'The allocation entry breaks a rule of the ledger. The message names it.'),
  chain_broken: row(500, 'A hash chain does not verify: the stored history was altered. Run `sluice doctor`.'),
  // resolve
  unknown_environment: row(404, 'The snapshot is of another environment. Connect with the environment you ask for.'),
  unknown_task: row(404, 'No task has this name here. Check the spelling; `sluice task ls` lists them.'),
  start_missing: row(400, 'Neither a binding nor a start time was given. Keep the binding with the conversation.'),
  start_in_future: row(400, 'The start lies in the future. Check the clock of this machine.'),
  malformed_binding: row(400, 'The binding cannot be read. Hand back the string `resolve` gave, unchanged.'),
  snapshot_behind: row(
    409,
    'The binding is newer than this snapshot. Wait for the next update or allow stale serving.',
    true,
  ),
  snapshot_stale: row(
    503,
    'The snapshot is older than `maxStaleMs` and stale serving is off. Check the connection.',
    true,
  ),
  snapshot_older: row(
    409,
    "The server's ledgers end before those held here. Wait for a server that lags; after a restored database, restart without the file in `cacheDir`.",
    true,
  ),
  invalid_id: row(400, 'An id is empty, too long, or contains NUL or a lone surrogate. Use plain text ids.'),
  // tenants
  tenant_pending: row(409, 'The override is not deployable yet. Its composite needs passing evidence first.'),
  // releases
  release_running: row(409, 'A release of this task is running. Wait for it or roll it back; the message names it.'),
  release_closed: row(409, 'The release has ended; it takes no more commands. Start a new one.'),
  command_refused: row(409, 'The release cannot do this in its present state. The message says what it waits for.'),
  plan_mismatch: row(409, 'The approval names another plan. Read the current plan and approve its digest.'),
  reason_missing: row(400, 'A reason is required. Say why.'),
  alarm_firing: row(
    409,
    'What serves now is past a breaker of the policy already. Mend that first, or start with `--break-glass` and say why.',
  ),
  plan_refused: row(409, 'The plan cannot be carried out. `details` lists the reasons.'),
  not_dead_letter: row(409, 'Only a dead letter is sent again. `GET /v1/outbox?state=dead` lists them.'),
  // evidence
  suite_mismatch: row(409, 'Scores of different suite digests never compare. Re-score with `sluice eval run`.'),
  leaked: row(
    409,
    'Cases of the suite stand in what the composite was made from. Take them out of the data or out of the suite.',
  ),
  engine_failed: row(502, 'The engine does not answer or answers with an error. See `details`.', true),
  scorer_failed: row(
    422,
    'A scorer of the suite does not work on the case named in `details`. Correct it under a new version of the suite; stored results are not paid again.',
  ),
  // captured content
  capture_unavailable: row(
    409,
    'Inputs and outputs cannot be captured here. Set SLUICE_CAPTURE_KEY for the server and start it again.',
  ),
  capture_missing: row(
    404,
    'Inputs and outputs of this request are not kept. The message says why; `sluice reproduce --input` takes a file.',
  ),
  capture_erased: row(
    410,
    'The content was erased for good. The message says when and by whom; nothing brings it back.',
  ),
  capture_unreadable: row(
    500,
    'The captured content cannot be decrypted. Configure the master key named, or see the audit for who altered it.',
  ),
  invalid_telemetry: row(
    400,
    'A telemetry value cannot be true, such as a negative cost or an unknown outcome. It was refused and counted.',
  ),
  // set-up
  provision_failed: row(
    500,
    'Something the set-up needs cannot be had. The message names what was tried and what to install.',
  ),
  instance_running: row(
    503,
    'Another process holds this data. Stop it, or wait for it; the message names its pid.',
    true,
  ),
  invalid_config: row(500, 'A setting is wrong. The message names the variable and what it takes.'),
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof errorTable

/** The one error class of the product: a stable code, a message for people, details for programs. */
export class SluiceError extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>
  constructor(code: ErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message)
    this.name = 'SluiceError'
    this.code = code
    this.details = details
  }
  get status(): number {
    return errorTable[this.code].status
  }
  get retryable(): boolean {
    return errorTable[this.code].retryable
  }
}

/** Fails loudly where the program itself is wrong; never for bad input. */
export function assert(fact: boolean, message: string): asserts fact {
  if (!fact) throw new Error(`assertion failed: ${message}`)
}

/** Closes a switch over a union: a new member is a compile error. */
export function assertNever(value: never): never {
  throw new Error(`assertion failed: unexpected ${JSON.stringify(value)}`)
}
