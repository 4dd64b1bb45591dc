/** Sources and sinks for programs: what the public API offers of this folder. */
export * from './source.ts'
export * from './sink.ts'
export { columns, elements, type NumberColumn } from './elements-source.ts'
export { sequence } from './sequence-source.ts'
export { generator, type GeneratorOptions } from './generator-source.ts'
export { fromAsyncIterable, type FromAsyncIterableOptions, type IterableLike } from './async-iterable-source.ts'
export { socketText, type SocketTextOptions } from './socket-text-source.ts'
export { guidedBlocks, RangeReading, type RangeSplit } from './range-split.ts'
export { StrideReading, strideSplits, type StrideSplit } from './stride-split.ts'
export { type FilePaths, type FileSourceOptions } from './files/file-source.ts'
export { fileLines, type FileLinesOptions } from './file-lines-source.ts'
export { csv, type CsvOptions, type CsvRecord } from './csv-source.ts'
export { ndjson, type NdjsonOptions } from './ndjson-source.ts'
export { malformedRecords, type MalformedPolicy, type MalformedRecord } from './formats/malformed.ts'
export { collectSink, type CollectPort } from './collect-sink.ts'
export { customSink, type CustomSinkFunctions } from './custom-sink.ts'
export { socketSink, type SocketSinkOptions } from './socket-sink.ts'
export {
  defineSink,
  type TransactionCommittable,
  twoPhaseCommitSink,
  type TwoPhaseCommitFunctions,
} from './two-phase-commit-sink.ts'
export { discard } from './discard-sink.ts'
export { print, type PrintOptions } from './print-sink.ts'
export { fileSink, type FileSinkOptions } from './file-sink/file-sink.ts'
export { type RollingPolicy } from './file-sink/rolling-policy.ts'
export { dateTimeBuckets, noBuckets, type BucketAssigner, type BucketContext } from './file-sink/bucket-assigner.ts'
export { type Encoder, type RowFormat } from './formats/encoders.ts'
