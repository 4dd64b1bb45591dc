/**
 * The one table of error codes. REST, the command line, restart strategies and the documentation read it.
 * A code is coarse on purpose: a new one only where a caller would act differently.
 * Naming: `MR_<AREA>_<WHAT>`. Areas stand in alphabetical blocks; keep a block's codes together.
 */
export interface ErrorCodeEntry {
  /** What happened, in one sentence. */
  readonly summary: string
  /** What the reader can do about it. */
  readonly advice: string
  /** Whether a restart of the job may succeed without any change by a human. */
  readonly retryable: boolean
  /** Status with which the REST interface answers when a request fails with this code. */
  readonly httpStatus: number
  /** Exit code of the command line when a command fails with this code. */
  readonly exitCode: number
}

/** Codes of operating errors; `errorCodes` says what each means and what to do. */
export type ErrorCode =
  | 'MR_CLI_USAGE'
  | 'MR_CONFIG_UNKNOWN_OPTION'
  | 'MR_CONFIG_INVALID_VALUE'
  | 'MR_SOURCE_NOT_FOUND'
  | 'MR_SOURCE_UNREADABLE'
  | 'MR_SOURCE_CORRUPT'
  | 'MR_SOURCE_UNREACHABLE'
  | 'MR_FORMAT_MALFORMED'
  | 'MR_SINK_FAILED'
  | 'MR_SINK_EXISTS'
  | 'MR_SINK_COMMIT_FAILED'
  | 'MR_DATA_NOT_SERIALIZABLE'
  | 'MR_DATA_TYPE_MISMATCH'
  | 'MR_DATA_CORRUPT'
  | 'MR_JOB_NO_DEFAULT_EXPORT'
  | 'MR_JOB_MODULE_FAILED'
  | 'MR_PARAMETER_MISSING'
  | 'MR_PLAN_INVALID'
  | 'MR_PLAN_PARALLELISM'
  | 'MR_PLAN_MISMATCH'
  | 'MR_USER_FUNCTION_FAILED'
  | 'MR_WORKER_DIED'
  | 'MR_WORKER_OUT_OF_MEMORY'
  | 'MR_WORKER_HUNG'
  | 'MR_JOB_CANCELED'
  | 'MR_RUNTIME_TIMEOUT'
  | 'MR_INTERNAL'
  | 'MR_STATE_NO_KEY'
  | 'MR_STATE_KEY_GROUP'
  | 'MR_STATE_CONFLICT'
  | 'MR_STATE_OVER_BUDGET'
  | 'MR_STATE_BACKEND_UNAVAILABLE'
  | 'MR_STATE_DISK_FAILED'
  | 'MR_TIME_INVALID'
  | 'MR_CHECKPOINT_FAILED'
  | 'MR_CHECKPOINT_CORRUPT'
  | 'MR_CHECKPOINT_INCOMPATIBLE'
  | 'MR_CHECKPOINT_NOT_FOUND'
  | 'MR_FILE_SYSTEM_TIMEOUT'
  | 'MR_JOB_DIR_LOCKED'
  | 'MR_JOB_DIR_UNUSABLE'
  | 'MR_SIMULATION_FAILED'
  | 'MR_SIMULATION_UNSUPPORTED'

/** Exit codes of the command line: 0 done, 1 the job failed, 2 wrong usage or input, 130 interrupted; 137, see hung-calls. */
const USAGE = { retryable: false, httpStatus: 400, exitCode: 2 } as const
const FAILED = { retryable: true, httpStatus: 500, exitCode: 1 } as const
const FATAL = { retryable: false, httpStatus: 500, exitCode: 1 } as const

/** What each code means, what to do, and how REST and the command line answer with it. */
export const errorCodes: Readonly<Record<ErrorCode, ErrorCodeEntry>> = Object.freeze({
  // --- cli and configuration ---
  MR_CLI_USAGE: { summary: 'The command line was not understood.', advice: 'See `millrace --help`.', ...USAGE },
  MR_CONFIG_UNKNOWN_OPTION: {
    summary: 'A configuration key is not known.',
    advice: 'Check the spelling; `millrace run --help` lists the keys.',
    ...USAGE,
  },
  MR_CONFIG_INVALID_VALUE: {
    summary: 'A configuration value has the wrong form or is out of range.',
    advice: 'Use a value of the form that the message names.',
    ...USAGE,
  },
  // --- connectors ---
  MR_SOURCE_NOT_FOUND: {
    summary: 'A source path does not exist or a pattern matches nothing.',
    advice: 'Check the path; globs are matched against the working directory.',
    ...USAGE,
  },
  MR_SOURCE_UNREADABLE: {
    summary: 'A source could not be opened or read.',
    advice: 'Check permissions and that the path names a file or folder.',
    ...FAILED,
  },
  MR_SOURCE_CORRUPT: {
    summary: 'A source holds bytes that cannot be what it claims to be (for example broken gzip).',
    advice: 'Repair or remove the file that the message names.',
    ...FATAL,
  },
  MR_SOURCE_UNREACHABLE: {
    summary: 'A socket source could not connect, or the connection was lost, and all retries are used up.',
    advice: 'Check host and port, or raise the number of retries.',
    ...FAILED,
  },
  MR_FORMAT_MALFORMED: {
    summary: 'A line or record of the input does not have the declared format.',
    advice: 'Mend the record at the named place, or choose the policy `skip` or `side-output`.',
    ...FATAL,
  },
  MR_SINK_FAILED: {
    summary: 'A sink could not write or commit its output.',
    advice: 'See the cause; output of a failed job is not published.',
    ...FAILED,
  },
  MR_SINK_EXISTS: {
    summary: 'The output path is already taken.',
    advice: 'Remove it or choose another path.',
    ...USAGE,
  },
  MR_SINK_COMMIT_FAILED: {
    summary: 'A prepared transaction of a sink cannot be committed.',
    advice: 'Mend what the cause names and run the same command again: the transaction is kept and committed first.',
    ...FATAL,
  },
  // --- data ---
  MR_DATA_NOT_SERIALIZABLE: {
    summary: 'A record holds something that cannot travel between slots or into state (function, symbol, cycle).',
    advice: 'Map the record to plain data before the exchange.',
    ...FATAL,
  },
  MR_DATA_TYPE_MISMATCH: {
    summary: 'A value does not fit its declared type.',
    advice: 'Correct the declared type or the value.',
    ...FATAL,
  },
  MR_DATA_CORRUPT: {
    summary: 'Encoded bytes could not be decoded.',
    advice: 'This is a defect of Millrace or of the memory it ran on; please report it.',
    ...FATAL,
  },
  // --- plan and api ---
  MR_JOB_NO_DEFAULT_EXPORT: {
    summary: 'A job module has no default export made by job().',
    advice: "Write `export default job('name', (env) => { … })`.",
    ...USAGE,
  },
  MR_JOB_MODULE_FAILED: {
    summary: 'A job module could not be loaded, or building its graph threw.',
    advice: 'See the cause and its stack.',
    ...USAGE,
  },
  MR_PARAMETER_MISSING: {
    summary: 'A required program parameter was not given.',
    advice: 'Give it after `--`, for example `-- --input PATH`.',
    ...USAGE,
  },
  MR_PLAN_INVALID: {
    summary: 'The graph that the program builds is not a valid job.',
    advice: 'Correct the operator that the message names.',
    ...USAGE,
  },
  MR_PLAN_PARALLELISM: {
    summary: 'A parallelism is not a whole number between 1 and the maximum.',
    advice: 'Choose a parallelism within the range that the message names.',
    ...USAGE,
  },
  MR_PLAN_MISMATCH: {
    summary: 'A slot built another graph than the coordinator.',
    advice: 'Graph building must be deterministic: no randomness, clock or environment that differs between threads.',
    ...FATAL,
  },
  // --- runtime ---
  MR_USER_FUNCTION_FAILED: {
    summary: "A user's function threw.",
    advice: "See the operator, the record and the user's stack in the message.",
    ...FAILED,
  },
  MR_WORKER_DIED: {
    summary: 'A worker thread ended unexpectedly.',
    advice: 'See the cause; the job restarts by its strategy.',
    ...FAILED,
  },
  MR_WORKER_OUT_OF_MEMORY: {
    summary: "A worker thread's JavaScript heap holds more than its limit.",
    advice: 'Raise `taskmanager.memory.heap-per-slot.size`, or keep less on the heap (typed state, spilling backend).',
    ...FAILED,
  },
  MR_WORKER_HUNG: {
    summary: "A slot's thread did not end when it was told to: it is in a call of the system that does not return.",
    advice: 'See which disk, mount or pipe does not answer; the same command goes on from the newest checkpoint.',
    ...FATAL,
  },
  MR_JOB_CANCELED: {
    summary: 'The job was cancelled.',
    advice: 'Nothing to do.',
    retryable: false,
    httpStatus: 409,
    exitCode: 130,
  },
  MR_RUNTIME_TIMEOUT: {
    summary: 'Something that has a time limit did not happen in time.',
    advice: 'See what was waited for; raise the limit if the work is legitimately slow.',
    ...FAILED,
  },
  MR_INTERNAL: {
    summary: 'An invariant of Millrace does not hold.',
    advice: 'This is a defect; please report it with the message and the stack.',
    ...FATAL,
  },
  // --- state and time ---
  MR_STATE_NO_KEY: {
    summary: 'Keyed state or a keyed timer was used outside a keyed context, or a key selector gave null.',
    advice: 'Use keyed state after keyBy() only, and give every record a key.',
    ...FATAL,
  },
  MR_STATE_KEY_GROUP: {
    summary: "A record's key belongs to a key group that this subtask does not own.",
    advice: 'A key selector must be deterministic: the same record must always give the same key.',
    ...FATAL,
  },
  MR_STATE_CONFLICT: {
    summary: 'A state name was declared twice with different kinds or types.',
    advice: 'Give each state of an operator its own name.',
    ...FATAL,
  },
  MR_STATE_OVER_BUDGET: {
    summary: 'State does not fit its memory budget.',
    advice: 'Raise `taskmanager.memory.managed.size` or choose a backend that spills to disk.',
    ...FATAL,
  },
  MR_STATE_BACKEND_UNAVAILABLE: {
    summary: 'The chosen state backend cannot run on this installation.',
    advice: 'Install what the message names, or choose another `state.backend.type`.',
    ...USAGE,
  },
  MR_STATE_DISK_FAILED: {
    summary: 'Keyed state could not be written to, or read from, its working files on disk.',
    advice: 'Check the room on, and the health of, the disk of `state.backend.rocksdb.localdir` or the job directory.',
    ...FAILED,
  },
  MR_TIME_INVALID: {
    summary: 'A timestamp, duration or window parameter is missing or out of range.',
    advice: 'See the operator and the value in the message.',
    ...FATAL,
  },
  // --- checkpoints ---
  MR_CHECKPOINT_FAILED: {
    summary: 'A checkpoint or savepoint could not be completed.',
    advice: 'See the cause; the job fails once more checkpoints in a row fail than are tolerated.',
    ...FAILED,
  },
  MR_CHECKPOINT_CORRUPT: {
    summary: 'A file of a checkpoint or savepoint is missing or does not match its checksum.',
    advice: 'Resume from another checkpoint (`--from PATH`), or allow the newest intact one.',
    ...FATAL,
  },
  MR_CHECKPOINT_INCOMPATIBLE: {
    summary: 'A checkpoint cannot be restored into this program, version or parallelism.',
    advice: 'See what does not fit; state without an operator can be dropped with `--allow-non-restored-state`.',
    ...USAGE,
  },
  MR_CHECKPOINT_NOT_FOUND: {
    summary: 'A checkpoint or savepoint path does not exist.',
    advice: 'Check the path.',
    ...USAGE,
  },
  MR_FILE_SYSTEM_TIMEOUT: {
    summary: 'A call of the file system took longer than any may (`fs.call-timeout`).',
    advice: 'See why the disk or mount does not answer; the same command goes on from the newest checkpoint.',
    ...FATAL,
  },
  MR_JOB_DIR_LOCKED: {
    summary: 'The job directory is in use by a running process.',
    advice: 'Stop that process, or choose another directory.',
    ...USAGE,
  },
  MR_JOB_DIR_UNUSABLE: {
    summary: 'The job directory belongs to another job or version, or cannot be written.',
    advice: 'Choose another directory, or start over with `--fresh`.',
    ...USAGE,
  },
  // --- simulation (millrace/testing) ---
  MR_SIMULATION_FAILED: {
    summary: 'A simulated job failed for good, hung, or did not end; or what a test expected of it did not hold.',
    advice: 'Run the same seed again (MILLRACE_SEED): it fails in the same way, step by step. See the cause.',
    ...FATAL,
  },
  MR_SIMULATION_UNSUPPORTED: {
    summary: 'The simulator cannot stand behind something that the job uses.',
    advice: 'Simulate the job with state in `managed` or `heap`, and with checkpoints on.',
    ...USAGE,
  },
})
