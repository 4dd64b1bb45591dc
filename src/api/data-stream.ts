/**
 * DataStream: a program's view of records on their way. Cold path: every call adds nodes to the graph under
 * construction; nothing runs before the job is executed.
 *
 * Invariants
 * 1. A stream is a set of upstreams: node outputs or side outputs, each with its partitioning. Union, side outputs and
 *    partitioners make no node.
 * 2. Streams are immutable; the chain controls of SingleOutputStream change the node that made the stream.
 */
import { MillraceError } from '../common/errors.ts'
import { maxParallelismMax } from '../common/limits.ts'
import { type AsyncCallOptions, asyncBody, type MapAsyncOptions } from './async-calls.ts'
import { fileSink } from '../connectors/file-sink/file-sink.ts'
import { print } from '../connectors/print-sink.ts'
import type { Sink } from '../connectors/sink.ts'
import { socketSink } from '../connectors/socket-sink.ts'
import { type TypeInformation, types } from '../data/types.ts'
import { perSubtask } from '../operators/own-function.ts'
import type { AsyncCallContext, AsyncFunction, AsyncInvoke } from '../operators/async-operator.ts'
import type { OutputTag } from '../operators/output-tag.ts'
import type { Collector } from '../operators/process-context.ts'
import { type ProcessElement, type ProcessFunction, ProcessOperator } from '../operators/process-operator.ts'
import type { RichFlatMapFunction } from '../operators/rich-inline.ts'
import { TimestampsAndWatermarksOperator } from '../operators/timestamps-and-watermarks-operator.ts'
import { checkParallelism, type DraftNode, type NodeOptions, type Upstream } from '../plan/stream-graph-builder.ts'
import type { NodeBody, Partitioning } from '../plan/stream-graph.ts'
import type { WatermarkStrategy } from '../time/watermark-strategy.ts'
import { globalWindows } from '../windows/assigners/global.ts'
import type { WindowAssigner } from '../windows/window-assigner.ts'
import type { GlobalWindow, Window } from '../windows/window.ts'
import { BroadcastConnectedStream, BroadcastStream, ConnectedStreams, requireSameJob } from './connected-streams.ts'
import { DataStreamSink } from './data-stream-sink.ts'
import { fieldPicker, type Selector, selectorOf } from './field-access.ts'
import {
  type FilterFunction,
  filterBody,
  type FlatMapFunction,
  flatMapBody,
  type MapFunction,
  mapBody,
  operatorBody,
} from './inline-functions.ts'
import { KeyedStream } from './keyed-stream.ts'
import { PairedStreams } from './paired-streams.ts'
import { PartitionWindowedStream } from './partition-windowed-stream.ts'
import { mainOutput, type StreamContext } from './stream-context.ts'
import { AllWindowedStream, WindowedStream } from './windowed-stream.ts'

/** A stream of records of type T: what a program's operations start from and lead to. Immutable. */
/** Descriptors of any key and value type. */
interface AnyMapStateDescriptor {
  readonly kind: 'map'
  readonly name: string
}

/** A program's view of records on their way; nothing runs before the job is executed. */
export class DataStream<T> {
  /** @internal */
  readonly context: StreamContext
  /** @internal */
  readonly upstreams: readonly Upstream[]
  readonly type: TypeInformation<T> | undefined

  constructor(context: StreamContext, upstreams: readonly Upstream[], type?: TypeInformation<T>) {
    this.context = context
    this.upstreams = upstreams
    this.type = type
  }

  /** One result per record. */
  map<R>(map: MapFunction<T, R>): SingleOutputStream<R> {
    return this.transform<R>('Map', mapBody(map))
  }

  /** Any number of results per record: returned as an iterable, or given to the collector. */
  flatMap<R>(flatMap: (value: T) => Iterable<R>): SingleOutputStream<R>
  flatMap<R>(flatMap: ((value: T, out: Collector<R>) => void) | RichFlatMapFunction<T, R>): SingleOutputStream<R>
  flatMap<R>(flatMap: FlatMapFunction<T, R>): SingleOutputStream<R> {
    return this.transform<R>('Flat Map', flatMapBody(flatMap))
  }

  /** Keeps the records for which the function is true. */
  filter<S extends T>(filter: (value: T) => value is S): SingleOutputStream<S>
  filter(filter: FilterFunction<T>): SingleOutputStream<T>
  filter(filter: FilterFunction<T>): SingleOutputStream<T> {
    return this.transform<T>('Filter', filterBody(filter), { outputType: this.type })
  }

  /** Keeps some fields of each record. */
  project<F extends keyof T & string>(...fields: readonly F[]): SingleOutputStream<Pick<T, F>> {
    const pick = fieldPicker(fields) as (value: T) => Pick<T, F>
    return this.transform<Pick<T, F>>(`Projection(${fields.join(', ')})`, mapBody(pick))
  }

  /** Any number of results per record, side outputs, time. For keyed state and timers: `keyBy(…).process(…)`. */
  process<R>(process: ProcessFunction<T, R> | ProcessElement<T, R>): SingleOutputStream<R> {
    const own = perSubtask(process)
    return this.transform<R>(
      'Process',
      operatorBody(() => new ProcessOperator(own())),
    )
  }

  /** One asynchronous call per record, many at a time; results in the order of the records, or as they come. */
  mapAsync<R>(
    map: (value: T, context: AsyncCallContext) => Promise<R>,
    { order = 'ordered', timeoutMs = 0, ...options }: MapAsyncOptions<R> = {},
  ): SingleOutputStream<R> {
    const invoke: AsyncInvoke<T, R> = async (value, context) => [await map(value, context)]
    return this.transform<R>('Async Map', asyncBody(invoke, order, { timeoutMs, ...options }, this.type))
  }

  /** Asynchronous calls with any number of results per record, in the order of the records. */
  orderedWait<R>(invoke: AsyncFunction<T, R> | AsyncInvoke<T, R>, options: AsyncCallOptions<R>): SingleOutputStream<R> {
    return this.transform<R>('Async Wait (ordered)', asyncBody(invoke, 'ordered', options, this.type))
  }

  /** Asynchronous calls with any number of results per record, as they come, though never past a watermark. */
  unorderedWait<R>(
    invoke: AsyncFunction<T, R> | AsyncInvoke<T, R>,
    options: AsyncCallOptions<R>,
  ): SingleOutputStream<R> {
    return this.transform<R>('Async Wait (unordered)', asyncBody(invoke, 'unordered', options, this.type))
  }

  /** Stamps records and makes watermarks of them; best directly at the source: `env.source(source, strategy)`. */
  assignTimestampsAndWatermarks(strategy: WatermarkStrategy<T>): SingleOutputStream<T> {
    const body = {
      ...operatorBody(() => new TimestampsAndWatermarksOperator(strategy)),
      createForBatch: operatorBody(() => new TimestampsAndWatermarksOperator(strategy, { emitsPeriodically: false }))
        .create,
    }
    return this.transform<T>('Timestamps/Watermarks', body, { outputType: this.type })
  }

  /**
   * Deals records out by key: equal keys meet in one subtask. A function of the record, deterministic, or a field name.
   * Keys are numbers, text, bigints, booleans, or plain objects and arrays of these.
   */
  keyBy<F extends keyof T & string>(field: F, keyType?: TypeInformation<T[F]>): KeyedStream<T, T[F]>
  keyBy<K>(selector: (value: T) => K, keyType?: TypeInformation<K>): KeyedStream<T, K>
  keyBy<K>(selector: Selector<T, K>, keyType?: TypeInformation<K>): KeyedStream<T, K> {
    return new KeyedStream<T, K>(this.context, this.upstreams, selectorOf(selector), this.type, keyType)
  }

  /** Groups all records into windows: one subtask does the work. */
  windowAll<W extends Window>(assigner: WindowAssigner<T, W>): AllWindowedStream<T, W> {
    return new AllWindowedStream(new WindowedStream(this.#underOneKey(), { assigner }, 1))
  }

  /** Windows of `size` records; with a slide, the last `size` records at every `slide` records. */
  countWindowAll(size: number, slide?: number): AllWindowedStream<T, GlobalWindow> {
    const windowed = new WindowedStream(this.#underOneKey(), { assigner: globalWindows<T>() }, 1)
    return new AllWindowedStream(windowed.countBased(size, slide))
  }

  #underOneKey(): KeyedStream<T, number> {
    return this.keyBy(() => 0, types.int32())
  }

  /** Reads this stream and another in one operator; with a broadcast stream: records against rules. */
  connect<U>(other: DataStream<U>): ConnectedStreams<T, U>
  connect<B>(other: BroadcastStream<B>): BroadcastConnectedStream<T, B>
  connect<U>(other: DataStream<U> | BroadcastStream<U>): ConnectedStreams<T, U> | BroadcastConnectedStream<T, U> {
    if (other instanceof BroadcastStream) return new BroadcastConnectedStream<T, U>(this, other)
    return new ConnectedStreams<T, U>(this, other)
  }

  /** Every pair of records of two streams that share key and window. */
  join<U>(other: DataStream<U>): PairedStreams<'join', T, U> {
    return new PairedStreams('join', this, other)
  }

  /** All records of two streams that share key and window, at once. */
  coGroup<U>(other: DataStream<U>): PairedStreams<'coGroup', T, U> {
    return new PairedStreams('coGroup', this, other)
  }

  /** All records of each subtask as one window that ends with the input. */
  fullWindowPartition(): PartitionWindowedStream<T> {
    return new PartitionWindowedStream(this.context, this.upstreams, this.type)
  }

  /** The records of all streams, in no particular order between them. */
  union(...others: readonly DataStream<T>[]): DataStream<T> {
    for (const other of others) requireSameJob(this, other)
    return new DataStream(
      this.context,
      [this, ...others].flatMap((stream) => stream.upstreams),
      this.type,
    )
  }

  /** To the subtask of the same index; needs equal parallelisms. */
  forward(): DataStream<T> {
    return this.partitioned({ kind: 'forward' })
  }
  /** Round robin over all subtasks. */
  rebalance(): DataStream<T> {
    return this.partitioned({ kind: 'rebalance' })
  }
  /** Round robin over a group of neighbouring subtasks: fewer channels. */
  rescale(): DataStream<T> {
    return this.partitioned({ kind: 'rescale' })
  }
  /** To a random subtask. */
  shuffle(): DataStream<T> {
    return this.partitioned({ kind: 'shuffle' })
  }
  /** To every subtask; with descriptors of broadcast state, as rules for another stream to connect to. */
  broadcast(): DataStream<T>
  broadcast(...states: readonly AnyMapStateDescriptor[]): BroadcastStream<T>
  broadcast(...states: readonly AnyMapStateDescriptor[]): DataStream<T> | BroadcastStream<T> {
    const stream = this.partitioned({ kind: 'broadcast' })
    return states.length === 0 ? stream : new BroadcastStream(this.context, stream.upstreams, this.type)
  }
  /** To the first subtask. */
  global(): DataStream<T> {
    return this.partitioned({ kind: 'global' })
  }
  /** To the subtask that `partition` answers for the record's key: 0 … channelCount - 1. */
  partitionCustom<K>(partition: (key: K, channelCount: number) => number, selector: Selector<T, K>): DataStream<T> {
    return this.partitioned({ kind: 'custom', partition, keySelector: selectorOf(selector) })
  }

  /** Ends the stream in a sink. */
  sinkTo(sink: Sink<T>): DataStreamSink {
    const node = this.context.graph.add(`Sink: ${sink.name}`, { kind: 'sink', sink: sink as Sink<unknown> }, [
      this.upstreams,
    ])
    return new DataStreamSink(node)
  }

  /** Prints every record to standard output; with several subtasks each line begins with its subtask's number. */
  print(prefix?: string): DataStreamSink {
    return this.sinkTo(print({ prefix }))
  }

  /** Prints every record to standard error. */
  printToErr(prefix?: string): DataStreamSink {
    return this.sinkTo(print({ prefix, stream: 'stderr' }))
  }

  /** Part files of a directory, one line a record; they appear when the job has succeeded. */
  writeAsText(directory: string): DataStreamSink {
    return this.sinkTo(fileSink(directory))
  }

  /** Part files of comma-separated values; a record's fields are its columns. */
  writeAsCsv(directory: string): DataStreamSink {
    return this.sinkTo(fileSink(directory, { format: 'csv' }))
  }

  /** Lines of text to a TCP server. */
  writeToSocket(host: string, port: number): DataStreamSink {
    return this.sinkTo(socketSink({ host, port }))
  }

  /** Runs the job and hands out this stream's records. Leaving the loop cancels the job. */
  collect(): AsyncGenerator<T, void, void> {
    return this.context.collect<T>((sink) => void this.sinkTo(sink).name('Collect'), Infinity)
  }

  /** Runs the job and returns this stream's records, or the first `limit` of them. */
  async executeAndCollect(limit: number = Infinity): Promise<T[]> {
    return Array.fromAsync(this.context.collect<T>((sink) => void this.sinkTo(sink).name('Collect'), limit))
  }

  protected partitioned(partitioning: Partitioning): DataStream<T> {
    const upstreams = this.upstreams.map((way) => ({ ...way, partitioning }))
    return new DataStream(this.context, upstreams, this.type)
  }

  /** Adds an operator with this stream as its only input. */
  protected transform<R>(name: string, body: NodeBody, options?: NodeOptions): SingleOutputStream<R> {
    return this.context.streamOf<R>(this.context.graph.add(name, body, [this.upstreams], options))
  }
}

/** The stream that one operator makes, with the controls of that operator. */
export class SingleOutputStream<T> extends DataStream<T> {
  readonly #node: DraftNode

  constructor(context: StreamContext, node: DraftNode) {
    super(context, [mainOutput(node)], node.outputType as TypeInformation<T> | undefined)
    this.#node = node
  }

  /** Shown in plans, metrics and errors. */
  name(name: string): this {
    this.#node.name = name
    return this
  }
  /** Keeps the operator's identity, and with it its state, over changes of the program. Unique in the job. */
  uid(uid: string): this {
    this.#node.uid = uid
    return this
  }
  setDescription(description: string): this {
    this.#node.description = description
    return this
  }
  setParallelism(parallelism: number): this {
    checkParallelism(parallelism, maxParallelismMax, `operator '${this.#node.name}'`)
    this.#node.parallelism = parallelism
    return this
  }
  /** Number of key groups, the upper bound of later rescaling. */
  setMaxParallelism(maxParallelism: number): this {
    checkParallelism(maxParallelism, maxParallelismMax, `operator '${this.#node.name}' (maximum)`)
    this.#node.maxParallelism = maxParallelism
    return this
  }
  /** The operator begins a chain of its own. */
  startNewChain(): this {
    this.#node.chaining = 'head'
    return this
  }
  /** The operator is chained with none. */
  disableChaining(): this {
    this.#node.chaining = 'never'
    return this
  }
  /** Operators of different groups never share a slot. Inherited by what follows. */
  slotSharingGroup(group: string): this {
    this.#node.slotSharingGroup = group
    return this
  }
  /**
   * Longest time a record of this operator waits in a partial batch on its way to another task, in ms; 0: none, -1: until
   * the batch is full or the slot has nothing else to do. MR_CONFIG_INVALID_VALUE below -1.
   */
  setBufferTimeout(timeoutMs: number): this {
    if (!(timeoutMs >= -1)) {
      throw new MillraceError('MR_CONFIG_INVALID_VALUE', `setBufferTimeout: expected -1 or more ms, got ${timeoutMs}`)
    }
    this.#node.bufferTimeoutMs = timeoutMs
    return this
  }
  /** Declares the type of the records: they travel as columns of this schema from the first one on. */
  returns(type: TypeInformation<T>): SingleOutputStream<T> {
    this.#node.outputType = type
    return new SingleOutputStream(this.context, this.#node)
  }

  /** The records that this operator emits to the tag. */
  getSideOutput<S>(tag: OutputTag<S>): DataStream<S> {
    return new DataStream(this.context, [{ node: this.#node, sideOutput: tag, partitioning: undefined }], tag.type)
  }
}
