/**
 * StreamExecutionEnvironment: where a program's graph is built. Inside `job(…)` the engine gives one; for embedding, a
 * REPL and tests, `getExecutionEnvironment()` makes one that runs the job in the caller's thread, closures allowed.
 */
import type { Configuration, ConfigurationValues } from '../common/configuration.ts'
import { configOptions } from '../common/config-options.ts'
import { MillraceError } from '../common/errors.ts'
import { maxParallelismMax } from '../common/limits.ts'
import { type ParameterData, Parameters } from '../common/parameters.ts'
import type { Source } from '../connectors/source.ts'
import { checkParallelism, StreamGraphBuilder } from '../plan/stream-graph-builder.ts'
import type { StreamGraph } from '../plan/stream-graph.ts'
import type { WatermarkStrategy } from '../time/watermark-strategy.ts'
import { SingleOutputStream } from './data-stream.ts'
import type { StreamContext } from './stream-context.ts'

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

export interface EnvironmentSettings {
  readonly parameters: ParameterData
  readonly configuration: Configuration
  /** Where neither the program nor its configuration sets one. */
  readonly parallelism: number
}

/** What a job's program is written against: sources, settings, parameters. One is made for every build of the graph. */
export class StreamExecutionEnvironment {
  /** The program's parameters. */
  readonly parameters: Parameters
  readonly #context: StreamContext
  readonly #graph = new StreamGraphBuilder()
  #configuration: Configuration
  #parallelism: number

  constructor(settings: EnvironmentSettings, collect?: StreamContext['collect']) {
    this.parameters = new Parameters(settings.parameters)
    this.#configuration = settings.configuration
    this.#parallelism = settings.parallelism
    const context: StreamContext = {
      graph: this.#graph,
      streamOf: (node) => new SingleOutputStream(context, node),
      collect: collect ?? refuseToCollect,
    }
    this.#context = context
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

  /** The graph of everything said so far. */
  toStreamGraph(jobName: string): StreamGraph {
    return this.#graph.build({
      jobName: this.#configuration.get(configOptions.pipelineName) ?? jobName,
      configuration: this.#configuration,
      parallelism: this.#parallelism,
    })
  }
}

function refuseToCollect(): never {
  throw new MillraceError(
    'MR_PLAN_INVALID',
    'inside job() a stream cannot be collected: slots run in other threads; use a sink, or getExecutionEnvironment()',
  )
}
