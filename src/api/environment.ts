/**
 * StreamExecutionEnvironment: where a program's graph is built. Inside `job(…)` the engine gives one; for embedding, a
 * REPL and tests, `getExecutionEnvironment()` makes one that runs the job in the caller's thread, closures allowed.
 */
import { Configuration, type ConfigurationValues } from '../common/configuration.ts'
import { configOptions } from '../common/config-options.ts'
import { MillraceError } from '../common/errors.ts'
import { maxParallelismMax } from '../common/limits.ts'
import { type ParameterData, Parameters, parametersOf, type ParameterValues } from '../common/parameters.ts'
import {
  fromAsyncIterable,
  type FromAsyncIterableOptions,
  type IterableLike,
} from '../connectors/async-iterable-source.ts'
import { elements } from '../connectors/elements-source.ts'
import { fileLines } from '../connectors/file-lines-source.ts'
import { sequence } from '../connectors/sequence-source.ts'
import type { Sink } from '../connectors/sink.ts'
import { socketText } from '../connectors/socket-text-source.ts'
import type { Source } from '../connectors/source.ts'
import { explainJson } from '../plan/explain-json.ts'
import { type BuildOptions, checkParallelism, StreamGraphBuilder } from '../plan/stream-graph-builder.ts'
import type { StreamGraph } from '../plan/stream-graph.ts'
import { translate } from '../plan/translate.ts'
import type { WatermarkStrategy } from '../time/watermark-strategy.ts'
import type { TypeInformation } from '../data/types.ts'
import type { JobRequest, JobResult } from '../coordinator/job-execution.ts'
import { CollectQueue } from './collect-queue.ts'
import { SingleOutputStream } from './data-stream.ts'
import { JobClient } from './job-client.ts'
import type { StreamContext } from './stream-context.ts'

const defaultJobName = 'Millrace Streaming Job'

/** How checkpoints are taken; what is left out comes from the configuration. */
export interface CheckpointSettings {
  readonly mode?: 'exactly-once' | 'at-least-once'
  readonly timeoutMs?: number
  readonly minPauseMs?: number
  readonly maxConcurrent?: number
  readonly tolerableFailures?: number
  readonly retained?: number
  readonly unaligned?: boolean
  /** With unaligned checkpoints: how long a barrier stays aligned before it overtakes. */
  readonly alignedTimeoutMs?: number
  readonly dir?: string
}

/** What an environment starts from inside `job(…)`. */
export interface EnvironmentSettings {
  readonly parameters: ParameterData
  readonly configuration: Configuration
  /** Where the program sets none. */
  readonly parallelism: number
}

/** What an environment of one's own starts from. */
export interface LocalEnvironmentOptions {
  readonly parameters?: ParameterValues
  readonly configuration?: ConfigurationValues
  /** Default 1: subtasks take turns in the caller's thread. */
  readonly parallelism?: number
}

/** How a job of an environment of one's own is run. */
export type ExecuteOptions = Pick<
  JobRequest,
  'jobDir' | 'from' | 'fresh' | 'onProgress' | 'onWarning' | 'progressIntervalMs' | 'signal'
>

/** Where a program says what is to be done: sources first, then operators on the streams they give, sinks last. */
export class StreamExecutionEnvironment {
  /** The program's parameters. */
  readonly parameters: Parameters
  readonly #context: StreamContext
  readonly #graph = new StreamGraphBuilder()
  readonly #runsLocally: boolean
  #configuration: Configuration
  #parallelism: number

  /** @internal Programs get theirs from `job(…)`, or from `getExecutionEnvironment()`. */
  constructor(settings: EnvironmentSettings, runsLocally: boolean = false) {
    this.parameters = new Parameters(settings.parameters)
    this.#configuration = settings.configuration
    this.#parallelism = settings.parallelism
    this.#runsLocally = runsLocally
    const context: StreamContext = {
      graph: this.#graph,
      streamOf: (node) => new SingleOutputStream(context, node),
      collect: (addSink, limit) => this.#collect(addSink, limit),
    }
    this.#context = context
  }

  /** An environment that runs its job in the caller's thread: for embedding, a REPL and tests. Closures are allowed. */
  static getExecutionEnvironment(options: LocalEnvironmentOptions = {}): StreamExecutionEnvironment {
    const configuration = Configuration.of(options.configuration ?? {})
    const parallelism = options.parallelism ?? configuration.get(configOptions.parallelism) ?? 1
    const settings = { parameters: parametersOf(options.parameters ?? {}), configuration, parallelism }
    return new StreamExecutionEnvironment(settings, true)
  }

  /** The same as `getExecutionEnvironment`, by Flink's other name. */
  static createLocalEnvironment(options: LocalEnvironmentOptions = {}): StreamExecutionEnvironment {
    return StreamExecutionEnvironment.getExecutionEnvironment(options)
  }

  /** Runs what was said since the last execution, to its end. */
  execute(jobName?: string, options?: ExecuteOptions): Promise<JobResult> {
    return this.executeAsync(jobName, options).result()
  }

  /** Starts the job and returns at once. */
  executeAsync(jobName: string = defaultJobName, options: ExecuteOptions = {}): JobClient {
    if (!this.#runsLocally) throw cannot('executed')
    const graph = this.toStreamGraph(jobName)
    return new JobClient({
      ...options,
      definition: { kind: 'millrace-job', name: jobName, build: () => graph },
      parameters: this.parameters.toPlain(),
      configuration: this.#configuration.toPlain(),
      parallelism: this.#parallelism,
    })
  }

  async *#collect<T>(addSink: (sink: Sink<T>) => void, limit: number): AsyncGenerator<T, void, void> {
    if (!this.#runsLocally) throw cannot('collected from')
    const queue = new CollectQueue<T>()
    addSink(queue.sink)
    const client = this.executeAsync()
    client.result().then(
      () => queue.end(),
      (error: unknown) => queue.end(error),
    )
    let count = 0
    try {
      if (limit <= 0) return
      for await (const record of queue.records()) {
        yield record
        if (++count >= limit) return
      }
    } finally {
      await client.cancel()
    }
  }

  /**
   * Reads a source. Without a watermark strategy records keep the timestamps that the source gives, and event time
   * stands still until the end of input.
   */
  source<T, Split>(source: Source<T, Split>, watermarks?: WatermarkStrategy<T>, name?: string): SingleOutputStream<T> {
    const body = {
      kind: 'source',
      source: source as Source<unknown>,
      watermarks: watermarks as WatermarkStrategy<unknown> | undefined,
    } as const
    const options = { outputType: source.type, parallelismMax: source.maxParallelism }
    return this.#context.streamOf<T>(this.#graph.add(`Source: ${name ?? source.name}`, body, [], options))
  }

  /** The values, in order, from one subtask. */
  fromElements<T>(...values: readonly T[]): SingleOutputStream<T> {
    return this.source(elements(values))
  }

  /** The values of an array, in order, from one subtask. */
  fromCollection<T>(values: readonly T[], type?: TypeInformation<T>): SingleOutputStream<T> {
    return this.source(elements(values, { type }))
  }

  /** Whole numbers `from` … `to`, both included. */
  fromSequence(from: number, to: number): SingleOutputStream<number> {
    return this.source(sequence(from, to))
  }

  /**
   * What an async iterable, a Node Readable or a web stream gives. Inside `job(…)` a function that makes it, since
   * streams cannot travel to slots.
   */
  fromAsyncIterable<T>(
    iterable: IterableLike<T> | (() => IterableLike<T> | Promise<IterableLike<T>>),
    options: FromAsyncIterableOptions<T> = {},
  ): SingleOutputStream<T> {
    return this.source(fromAsyncIterable(typeof iterable === 'function' ? iterable : () => iterable, options))
  }

  /** Lines of text from a TCP server; one subtask. */
  socketTextStream(host: string, port: number, delimiter: string = '\n'): SingleOutputStream<string> {
    return this.source(socketText({ host, port, delimiter }))
  }

  /** Lines of the text files of a path, folder or glob, read in parallel. */
  readTextFile(path: string | readonly string[]): SingleOutputStream<string> {
    return this.source(fileLines(path))
  }

  /** Parallelism of operators that set none. Over `--parallelism`. */
  setParallelism(parallelism: number): this {
    checkParallelism(parallelism, maxParallelismMax, 'the job')
    this.#parallelism = parallelism
    return this
  }

  get parallelism(): number {
    return this.#parallelism
  }

  /** Number of key groups of operators that set none. */
  setMaxParallelism(maxParallelism: number): this {
    return this.configure({ [configOptions.maxParallelism.key]: maxParallelism })
  }

  setRuntimeMode(mode: 'streaming' | 'batch' | 'automatic'): this {
    return this.configure({ [configOptions.runtimeMode.key]: mode })
  }

  /** Longest time a record waits in a partial batch, in ms; 0: none, -1: until the batch is full. */
  setBufferTimeout(timeoutMs: number): this {
    if (timeoutMs < 0) return this.configure({ [configOptions.bufferTimeoutEnabled.key]: false })
    return this.configure({ [configOptions.bufferTimeout.key]: timeoutMs })
  }

  /** Sets options by key: MR_CONFIG_UNKNOWN_OPTION, MR_CONFIG_INVALID_VALUE. */
  configure(values: ConfigurationValues): this {
    this.#configuration = this.#configuration.with(values)
    if (configOptions.parallelism.key in values) {
      this.setParallelism(this.#configuration.get(configOptions.parallelism)!)
    }
    return this
  }

  get configuration(): Configuration {
    return this.#configuration
  }

  /** Takes a checkpoint every `intervalMs`. */
  enableCheckpointing(intervalMs: number, settings: CheckpointSettings = {}): this {
    const given = {
      [configOptions.checkpointInterval.key]: intervalMs,
      [configOptions.checkpointMode.key]: settings.mode,
      [configOptions.checkpointTimeout.key]: settings.timeoutMs,
      [configOptions.checkpointMinPause.key]: settings.minPauseMs,
      [configOptions.checkpointMaxConcurrent.key]: settings.maxConcurrent,
      [configOptions.checkpointTolerableFailures.key]: settings.tolerableFailures,
      [configOptions.checkpointsRetained.key]: settings.retained,
      [configOptions.unaligned.key]: settings.unaligned,
      [configOptions.alignedTimeout.key]: settings.alignedTimeoutMs,
      [configOptions.checkpointDir.key]: settings.dir,
    }
    const values = Object.entries(given).filter((entry): entry is [string, string | number | boolean] => {
      return entry[1] !== undefined
    })
    return this.configure(Object.fromEntries(values))
  }

  /** The plan of what was said since the last execution, in the JSON of Flink's plan visualiser. */
  getExecutionPlan(jobName: string = defaultJobName): string {
    return JSON.stringify(explainJson(translate(this.#graph.preview(this.#buildOptions(jobName)))), undefined, 2)
  }

  /** @internal The graph of what was said since the last call. */
  toStreamGraph(jobName: string): StreamGraph {
    return this.#graph.build(this.#buildOptions(jobName))
  }

  #buildOptions(jobName: string): BuildOptions {
    return {
      jobName: this.#configuration.get(configOptions.pipelineName) ?? jobName,
      configuration: this.#configuration,
      parallelism: this.#parallelism,
    }
  }
}

function cannot(what: string): MillraceError {
  return new MillraceError(
    'MR_PLAN_INVALID',
    `the environment of job() cannot be ${what}: the engine runs the job in its slots; use a sink, or StreamExecutionEnvironment.getExecutionEnvironment()`,
  )
}
