/**
 * What a job module exports: a name and the function that builds its graph. The coordinator and every slot import the
 * module and call `build` with the same settings; the graphs must be equal (`describePlan` compares them).
 * Compare `kind`, never `instanceof`: a module may have loaded its own copy of the package.
 */
import type { ConfigurationValues } from '../common/configuration.ts'
import type { ParameterData } from '../common/parameters.ts'
import type { StreamGraph } from './stream-graph.ts'

/** Plain data: what travels to the slots. */
export interface JobSettings {
  readonly parameters: ParameterData
  /** Over the job's own options, under what the program sets in code. */
  readonly configuration: ConfigurationValues
  /** Over `parallelism.default`, under `env.setParallelism`. */
  readonly parallelism?: number
}

/** A job as its module exports it: what `job(…)` returns. */
export interface JobDefinition {
  readonly kind: 'millrace-job'
  readonly name: string
  /** Throws what the program throws, or MillraceErrors of the plan. */
  build(settings: JobSettings): StreamGraph
}

export function isJobDefinition(value: unknown): value is JobDefinition {
  const candidate = value as Partial<JobDefinition> | null | undefined
  return candidate?.kind === 'millrace-job' && typeof candidate.build === 'function'
}
