/** The public API of Millrace. */
export { job, type JobOptions } from './api/job.ts'
export { run, type RunOptions } from './cli/run-module.ts'
export {
  type CheckpointSettings,
  type ExecuteOptions,
  type LocalEnvironmentOptions,
  StreamExecutionEnvironment,
} from './api/environment.ts'
export type { CheckpointLocation, JobClient } from './api/job-client.ts'
export type { StopOptions } from './coordinator/job-control.ts'
export type { DataStream, SingleOutputStream } from './api/data-stream.ts'
export type { DataStreamSink } from './api/data-stream-sink.ts'
export type { KeyedStream } from './api/keyed-stream.ts'
export type { ComparableField, NumericField, Selector } from './api/field-access.ts'
export type { FilterFunction, FlatMapFunction, MapFunction } from './api/inline-functions.ts'
export type {
  BroadcastConnectedStream,
  BroadcastStream,
  ConnectedStreams,
  KeyedBroadcastConnectedStream,
  KeyedConnectedStreams,
} from './api/connected-streams.ts'
export type { AsyncCallOptions, MapAsyncOptions } from './api/async-calls.ts'
export type { AsyncCallContext, AsyncFunction, AsyncInvoke } from './operators/async-operator.ts'
export { type AsyncRetryStrategy, retryStrategies, type RetryPredicates } from './operators/async-retry-strategy.ts'
export type { IntervalJoin, IntervalJoined } from './api/interval-join.ts'
export type { PairedByKey, PairedStreams, PairFunction, PairingKind, WindowedPair } from './api/paired-streams.ts'
export type { KeyedProcessContext, OnTimerContext, TimeDomain } from './operators/keyed-process-context.ts'
export type { KeyedProcessElement, KeyedProcessFunction } from './operators/keyed-process-operator.ts'
export type { KeyedCoProcessFunction } from './operators/keyed-co-process-operator.ts'
export type {
  BroadcastContext,
  BroadcastProcessFunction,
  ReadOnlyBroadcastContext,
  ReadOnlyMapState,
} from './operators/broadcast-process-operator.ts'
export type {
  KeyedBroadcastContext,
  KeyedBroadcastProcessFunction,
  KeyedReadOnlyBroadcastContext,
  OnTimerBroadcastContext,
} from './operators/keyed-broadcast-process-operator.ts'
export type { ProcessJoin, ProcessJoinContext, ProcessJoinFunction } from './operators/interval-join-operator.ts'
export type {
  CoGroup,
  CoGroupFunction,
  FlatJoinFunction,
  Join,
  JoinFunction,
  Sided,
} from './windows/co-group-operator.ts'
export type { PartitionWindowedStream } from './api/partition-windowed-stream.ts'
export type { Collector, ProcessContext, TimerService } from './operators/process-context.ts'
export type { ProcessElement, ProcessFunction } from './operators/process-operator.ts'
export type { CoFlatMapFunction, CoMapFunction, CoProcessFunction } from './operators/co-map-operator.ts'
export type { ReduceFunction, RichReduceFunction } from './operators/reduce-function.ts'
export type { RichFilterFunction, RichFlatMapFunction, RichMapFunction } from './operators/rich-inline.ts'
export type { RichFunction, RuntimeContext } from './operators/runtime-context.ts'
export type { AggregateFunction } from './state/keyed-state-backend.ts'
export type {
  AllWindowedStream,
  AllWindowProcessor,
  ProcessAllWindow,
  ProcessAllWindowFunction,
  WindowedStream,
} from './api/windowed-stream.ts'
export { tumbling, type TumblingOptions, type WindowStagger } from './windows/assigners/tumbling.ts'
export { sliding, type SlidingOptions } from './windows/assigners/sliding.ts'
export { session, type SessionGapExtractor } from './windows/assigners/session.ts'
export { endOfStreamWindows, globalWindows } from './windows/assigners/global.ts'
export { continuousEventTimeTrigger, continuousProcessingTimeTrigger } from './windows/triggers/continuous-trigger.ts'
export { countTrigger } from './windows/triggers/count-trigger.ts'
export { type DeltaFunction, deltaTrigger } from './windows/triggers/delta-trigger.ts'
export { endOfStreamTrigger } from './windows/triggers/end-of-stream-trigger.ts'
export { eventTimeTrigger } from './windows/triggers/event-time-trigger.ts'
export { neverTrigger } from './windows/triggers/never-trigger.ts'
export { processingTimeTrigger } from './windows/triggers/processing-time-trigger.ts'
export {
  type ProcessingTimeoutOptions,
  processingTimeoutTrigger,
} from './windows/triggers/processing-timeout-trigger.ts'
export { purgingTrigger } from './windows/triggers/purging-trigger.ts'
export { countEvictor } from './windows/evictors/count-evictor.ts'
export { deltaEvictor } from './windows/evictors/delta-evictor.ts'
export { timeEvictor } from './windows/evictors/time-evictor.ts'
export type { Evictor, EvictorContext, TimestampedValue } from './windows/evictor.ts'
export { type OnMergeContext, type Trigger, type TriggerContext, TriggerResult } from './windows/trigger.ts'
export type { MergingWindowAssigner, WindowAssigner, WindowAssignerContext } from './windows/window-assigner.ts'
export { GlobalWindow, TimeWindow, type Window } from './windows/window.ts'
export type { ProcessWindow, ProcessWindowFunction, WindowContext } from './windows/window-function.ts'
export type {
  AggregatingState,
  AggregatingStateDescriptor,
  AppendingState,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  ReducingState,
  ReducingStateDescriptor,
  ValueState,
  ValueStateDescriptor,
} from './state/keyed-state-backend.ts'
export {
  aggregatingState,
  listState,
  mapState,
  reducingState,
  type StateOptions,
  valueState,
} from './state/state-descriptors.ts'
export type { StateTtlConfig } from './state/state-ttl.ts'
export { MillraceError, type ErrorContext } from './common/errors.ts'
export { type ErrorCode, errorCodes } from './common/error-codes.ts'
export { Configuration, type ConfigurationValues } from './common/configuration.ts'
export { configOptions } from './common/config-options.ts'
export type { Parameters } from './common/parameters.ts'
export { days, hours, milliseconds, minutes, seconds } from './time/duration.ts'
export { WatermarkStrategy } from './time/watermark-strategy.ts'
export { outputTag, type OutputTag } from './operators/output-tag.ts'
export { types, type DataType, type TypeInformation } from './data/types.ts'
export type { JobDefinition } from './plan/job-definition.ts'
export type { JobResult, JobStatus, ProgressReport, VertexReport } from './coordinator/job-execution.ts'
export {
  type BucketAssigner,
  type BucketContext,
  columns,
  csv,
  type CsvOptions,
  type CsvRecord,
  customSink,
  type CustomSinkFunctions,
  dateTimeBuckets,
  defineSink,
  discard,
  elements,
  type Encoder,
  fileLines,
  type FileLinesOptions,
  type FilePaths,
  fileSink,
  type FileSinkOptions,
  type FileSourceOptions,
  fromAsyncIterable,
  type FromAsyncIterableOptions,
  generator,
  type GeneratorOptions,
  type IterableLike,
  malformedRecords,
  type MalformedPolicy,
  type MalformedRecord,
  ndjson,
  type NdjsonOptions,
  noBuckets,
  type NumberColumn,
  print,
  type PrintOptions,
  type RowFormat,
  sequence,
  socketSink,
  type SocketSinkOptions,
  socketText,
  type RollingPolicy,
  type SocketTextOptions,
  type TransactionCommittable,
  type TwoPhaseCommitFunctions,
  twoPhaseCommitSink,
} from './connectors/index.ts'
export type { Source, SourceReader, SplitEnumerationContext } from './connectors/source.ts'
export type { ReaderOutput, SourceOutput } from './operators/operator.ts'
export type { Committer, CommitRequest, Sink, SinkWriter } from './connectors/sink.ts'
export {
  type KeyedStateReaderFunction,
  type OperatorIdentifier,
  type SavepointOperator,
  SavepointReader,
} from './api/savepoint-reader.ts'
export {
  bootstrapState,
  type KeyedStateBootstrapFunction,
  SavepointWriter,
  type StateBootstrap,
  type StateBootstrapFunction,
  type StateTransformation,
} from './api/savepoint-writer.ts'
export type { KeyedStateStore } from './operators/runtime-context.ts'
export type { OperatorStateStore } from './state/operator-state.ts'
