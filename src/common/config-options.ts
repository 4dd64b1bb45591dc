/**
 * The table of configuration options. Keys are Flink's where the option is the same. The command line (`-D key=value`),
 * `env.configure`, `job(…, { configuration })` and the documentation read this one table.
 */
import {
  booleanOption,
  bytesOption,
  choiceOption,
  type ConfigOption,
  durationOption,
  integerOption,
  numberOption,
  pathOption,
  textOption,
} from './config-option.ts'
import { maxParallelismMax, segmentBytesDefault } from './limits.ts'

export interface ConfigOptions {
  readonly parallelism: ConfigOption<number | undefined>
  readonly runtimeMode: ConfigOption<'streaming' | 'batch' | 'automatic'>
  readonly maxParallelism: ConfigOption<number | undefined>
  readonly pipelineName: ConfigOption<string | undefined>
  readonly chaining: ConfigOption<boolean>
  readonly chainHashAtParallelismOne: ConfigOption<boolean>
  readonly aggregationPhases: ConfigOption<'auto' | 'one-phase' | 'two-phase'>
  readonly autoWatermarkInterval: ConfigOption<number>
  readonly bufferTimeoutEnabled: ConfigOption<boolean>
  readonly bufferTimeout: ConfigOption<number>
  readonly segmentBytes: ConfigOption<number>
  readonly buffersPerChannel: ConfigOption<number>
  readonly floatingBuffersPerGate: ConfigOption<number>
  readonly managedMemory: ConfigOption<number>
  readonly heapPerSlot: ConfigOption<number>
  readonly slotStartTimeout: ConfigOption<number>
  readonly cancellationTimeout: ConfigOption<number>
  readonly stateBackend: ConfigOption<'managed' | 'heap' | 'rocksdb' | 'leveldb'>
  readonly rocksdbLocalDir: ConfigOption<string | undefined>
  readonly checkpointInterval: ConfigOption<number | undefined>
  readonly checkpointMode: ConfigOption<'exactly-once' | 'at-least-once'>
  readonly checkpointTimeout: ConfigOption<number>
  readonly fileSystemTimeout: ConfigOption<number>
  readonly checkpointMinPause: ConfigOption<number>
  readonly checkpointMaxConcurrent: ConfigOption<number>
  readonly checkpointTolerableFailures: ConfigOption<number>
  readonly checkpointsRetained: ConfigOption<number>
  readonly checkpointDir: ConfigOption<string | undefined>
  readonly savepointDir: ConfigOption<string | undefined>
  readonly externalizedRetention: ConfigOption<
    'retain-on-cancellation' | 'delete-on-cancellation' | 'no-externalized-checkpoints'
  >
  readonly unaligned: ConfigOption<boolean>
  readonly alignedTimeout: ConfigOption<number>
  readonly recoveryPath: ConfigOption<string | undefined>
  readonly recoveryIgnoreUnclaimed: ConfigOption<boolean>
  readonly recoveryFallback: ConfigOption<boolean>
  readonly committerRetries: ConfigOption<number>
  readonly latencyInterval: ConfigOption<number>
  readonly failoverStrategy: ConfigOption<'region' | 'full'>
  readonly restartStrategy: ConfigOption<'none' | 'fixed-delay' | 'failure-rate' | 'exponential-delay' | undefined>
  readonly fixedDelayAttempts: ConfigOption<number>
  readonly fixedDelayDelay: ConfigOption<number>
  readonly failureRateMax: ConfigOption<number>
  readonly failureRateInterval: ConfigOption<number>
  readonly failureRateDelay: ConfigOption<number>
  readonly exponentialInitial: ConfigOption<number>
  readonly exponentialMax: ConfigOption<number>
  readonly exponentialMultiplier: ConfigOption<number>
  readonly exponentialReset: ConfigOption<number>
  readonly exponentialJitter: ConfigOption<number>
  readonly exponentialAttempts: ConfigOption<number | undefined>
}

/** Every option: key, default, form and meaning. */
export const configOptions: ConfigOptions = {
  // --- parallelism and plan ---
  parallelism: integerOption(
    'parallelism.default',
    undefined,
    'Parallelism of operators that set none. Without it: one slot per core.',
    { min: 1, max: maxParallelismMax },
  ),
  runtimeMode: choiceOption(
    'execution.runtime-mode',
    ['streaming', 'batch', 'automatic'],
    'streaming',
    '`automatic` runs as batch where every source is bounded. Batch emits final results once.',
  ),
  maxParallelism: integerOption(
    'pipeline.max-parallelism',
    undefined,
    'Number of key groups, the upper bound of later rescaling. Without it: 1.5 times the parallelism, rounded up to a power of two, between 128 and 32768.',
    { min: 1, max: maxParallelismMax },
  ),
  pipelineName: textOption('pipeline.name', undefined, "The job's name, in place of the program's."),
  chaining: booleanOption(
    'pipeline.operator-chaining.enabled',
    true,
    'Whether operators are fused into chains that run in one task.',
  ),
  chainHashAtParallelismOne: booleanOption(
    'pipeline.operator-chaining.chain-hash-at-parallelism-one',
    true,
    'Whether a keyBy edge between two operators of parallelism 1 is chained: one subtask owns every key. Not in Flink.',
  ),
  aggregationPhases: choiceOption(
    'table.optimizer.agg-phase-strategy',
    ['auto', 'one-phase', 'two-phase'],
    'auto',
    'Whether event-time windows that reduce or aggregate fold records in the producing task before they travel. `auto`: where they travel to another task; `two-phase`: always; `one-phase`: never. Of use in DataStream programs, too.',
  ),
  autoWatermarkInterval: durationOption(
    'pipeline.auto-watermark-interval',
    '200 ms',
    'How often periodic watermark generators emit.',
  ),

  // --- exchange ---
  bufferTimeoutEnabled: booleanOption(
    'execution.buffer-timeout.enabled',
    true,
    'Whether partial batches leave after a time. If not, only full batches and idle slots flush.',
  ),
  bufferTimeout: durationOption(
    'execution.buffer-timeout.interval',
    '100 ms',
    'The longest time that a record waits in a partial batch. 0: every record leaves at once.',
  ),
  segmentBytes: bytesOption(
    'taskmanager.memory.segment-size',
    `${segmentBytesDefault / 1024} kb`,
    'Size of a segment of the exchange; a power of two.',
    { min: 4_096, max: 1 << 24 },
  ),
  buffersPerChannel: integerOption(
    'taskmanager.network.memory.buffers-per-channel',
    2,
    'Exclusive segments of each channel.',
    { min: 1, max: 1_024 },
  ),
  floatingBuffersPerGate: integerOption(
    'taskmanager.network.memory.floating-buffers-per-gate',
    8,
    'Segments that the channels of one input gate share.',
    { min: 0, max: 4_096 },
  ),

  // --- slots and memory ---
  managedMemory: bytesOption(
    'taskmanager.memory.managed.size',
    '1 gb',
    'Memory for off-heap state, sorting and hashing, over all slots.',
    { min: 1 << 20 },
  ),
  heapPerSlot: bytesOption(
    'taskmanager.memory.heap-per-slot.size',
    '2 gb',
    "What each worker thread may keep on its JavaScript heap. A slot that keeps more fails with MR_WORKER_OUT_OF_MEMORY; garbage may lie above the limit until it is collected, and V8's own limit is 768 MiB higher.",
    { min: 1 << 25 },
  ),
  slotStartTimeout: durationOption(
    'slot.request.timeout',
    '30 s',
    'How long the coordinator waits for a slot to start and report its plan.',
    { min: 1 },
  ),
  cancellationTimeout: durationOption(
    'task.cancellation.timeout',
    '10 s',
    'How long a cancelled task may take to stop before its worker thread is terminated, and then that thread to end (MR_WORKER_HUNG).',
  ),

  // --- state ---
  stateBackend: choiceOption(
    'state.backend.type',
    ['managed', 'heap', 'rocksdb', 'leveldb'],
    'managed',
    'Where keyed state lives: off-heap tables, the JavaScript heap, or tables over a disk engine.',
  ),
  rocksdbLocalDir: pathOption(
    'state.backend.rocksdb.localdir',
    'Where the backends on disk (leveldb too) work. Without it: in the job directory, or the temporary directory.',
  ),

  // --- checkpoints ---
  checkpointInterval: durationOption(
    'execution.checkpointing.interval',
    undefined,
    'How often a checkpoint is taken. Without it: no checkpoints.',
    { min: 10 },
  ),
  checkpointMode: choiceOption(
    'execution.checkpointing.mode',
    ['exactly-once', 'at-least-once'],
    'exactly-once',
    'Whether barriers are aligned (each record counts exactly once in state) or not.',
  ),
  checkpointTimeout: durationOption(
    'execution.checkpointing.timeout',
    '10 min',
    'A checkpoint that takes longer is given up. One commit of a sink that takes longer fails the job; its transaction is kept.',
    { min: 10 },
  ),
  fileSystemTimeout: durationOption(
    'fs.call-timeout',
    '10 min',
    'A single call to the file system of checkpoints and exactly-once sinks that takes longer fails the job (MR_FILE_SYSTEM_TIMEOUT): nobody knows what it may still do.',
    { min: 100 },
  ),
  checkpointMinPause: durationOption(
    'execution.checkpointing.min-pause',
    '0 ms',
    'The shortest time between the end of a checkpoint and the start of the next.',
  ),
  checkpointMaxConcurrent: integerOption(
    'execution.checkpointing.max-concurrent-checkpoints',
    1,
    'How many checkpoints may be under way at a time.',
    { min: 1, max: 32 },
  ),
  checkpointTolerableFailures: integerOption(
    'execution.checkpointing.tolerable-failed-checkpoints',
    0,
    'How many checkpoints in a row may fail before the job fails.',
    { min: 0 },
  ),
  checkpointsRetained: integerOption(
    'execution.checkpointing.num-retained',
    1,
    'How many completed checkpoints are kept.',
    { min: 1 },
  ),
  checkpointDir: pathOption(
    'execution.checkpointing.dir',
    'Job directory, where checkpoints are kept, for runs without `--job-dir`.',
  ),
  savepointDir: pathOption(
    'execution.checkpointing.savepoint-dir',
    'Where savepoints are written. Without it: the job directory.',
  ),
  externalizedRetention: choiceOption(
    'execution.checkpointing.externalized-checkpoint-retention',
    ['retain-on-cancellation', 'delete-on-cancellation', 'no-externalized-checkpoints'],
    'retain-on-cancellation',
    "What becomes of a job directory's checkpoints when the job is cancelled: kept, or deleted; the last value deletes them when it fails for good, too. Those of a finished job are kept, so that running it again changes nothing. Savepoints are never deleted.",
  ),
  unaligned: booleanOption(
    'execution.checkpointing.unaligned.enabled',
    false,
    'Whether barriers overtake records; what they overtook becomes part of the checkpoint.',
  ),
  alignedTimeout: durationOption(
    'execution.checkpointing.aligned-checkpoint-timeout',
    '0 ms',
    'With unaligned checkpoints: how long a barrier stays aligned before it overtakes. 0: it overtakes at once.',
  ),
  recoveryPath: pathOption('execution.state-recovery.path', 'Checkpoint or savepoint to start from (`--from`).'),
  recoveryIgnoreUnclaimed: booleanOption(
    'execution.state-recovery.ignore-unclaimed-state',
    false,
    'Whether state that no operator of the program claims is dropped rather than refused.',
  ),
  recoveryFallback: booleanOption(
    'execution.state-recovery.fall-back-to-intact',
    false,
    'Whether a corrupt checkpoint is passed over in favour of the newest intact one. Not in Flink.',
  ),
  committerRetries: integerOption(
    'sink.committer.retries',
    10,
    'How often a failed commit is tried again before the job fails.',
    { min: 0 },
  ),

  // --- metrics ---
  latencyInterval: durationOption(
    'metrics.latency.interval',
    '0 ms',
    'How often each source subtask emits a latency marker. Every task notes how long markers were under way; the summary and the progress reports tell. 0: none.',
  ),

  // --- restarts ---
  failoverStrategy: choiceOption(
    'jobmanager.execution.failover-strategy',
    ['region', 'full'],
    'region',
    'What starts again after a failure: the subtasks that exchange records with the failed one, or the whole job.',
  ),
  restartStrategy: choiceOption(
    'restart-strategy.type',
    ['none', 'fixed-delay', 'failure-rate', 'exponential-delay'],
    undefined,
    'What follows a failure. Without it: exponential-delay where checkpoints are on, else none.',
  ),
  fixedDelayAttempts: integerOption('restart-strategy.fixed-delay.attempts', 1, 'Restarts before the job fails.', {
    min: 0,
  }),
  fixedDelayDelay: durationOption('restart-strategy.fixed-delay.delay', '1 s', 'Pause before each restart.'),
  failureRateMax: integerOption(
    'restart-strategy.failure-rate.max-failures-per-interval',
    1,
    'Failures within the interval before the job fails.',
    { min: 1 },
  ),
  failureRateInterval: durationOption(
    'restart-strategy.failure-rate.failure-rate-interval',
    '1 min',
    'The interval in which failures are counted.',
    { min: 1 },
  ),
  failureRateDelay: durationOption('restart-strategy.failure-rate.delay', '1 s', 'Pause before each restart.'),
  exponentialInitial: durationOption(
    'restart-strategy.exponential-delay.initial-backoff',
    '1 s',
    'Pause before the first restart.',
    { min: 1 },
  ),
  exponentialMax: durationOption('restart-strategy.exponential-delay.max-backoff', '1 min', 'The longest pause.', {
    min: 1,
  }),
  exponentialMultiplier: numberOption(
    'restart-strategy.exponential-delay.backoff-multiplier',
    1.5,
    'By how much the pause grows after each failure.',
    { min: 1 },
  ),
  exponentialReset: durationOption(
    'restart-strategy.exponential-delay.reset-backoff-threshold',
    '1 h',
    'Running this long without a failure resets the pause.',
    { min: 1 },
  ),
  exponentialJitter: numberOption(
    'restart-strategy.exponential-delay.jitter-factor',
    0.1,
    'Random part of the pause.',
    { min: 0, max: 1 },
  ),
  exponentialAttempts: integerOption(
    'restart-strategy.exponential-delay.attempts-before-reset-backoff',
    undefined,
    'Restarts before the job fails. Without it: no end.',
    { min: 0 },
  ),
}
