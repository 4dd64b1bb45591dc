/** Doubles for plan tests: sources and sinks that are never run. */
import type { ConfigurationValues } from '../../src/common/configuration.ts'
import type { Sink } from '../../src/connectors/sink.ts'
import type { Source } from '../../src/connectors/source.ts'
import { job } from '../../src/api/job.ts'
import type { StreamExecutionEnvironment } from '../../src/api/environment.ts'
import { translate } from '../../src/plan/translate.ts'
import type { JobGraph } from '../../src/plan/job-graph.ts'

export interface Line {
  word: string
  count: number
}

const notRun = (): never => {
  throw new Error('plan tests run nothing')
}

export function lines(overrides: Partial<Source<Line>> = {}): Source<Line> {
  return { name: 'lines', boundedness: 'bounded', enumerateSplits: () => [], createReader: notRun, ...overrides }
}

export function nowhere<T>(): Sink<T> {
  return { name: 'nowhere', createWriter: notRun }
}

export function plan(
  build: (env: StreamExecutionEnvironment) => void,
  parallelism: number = 2,
  configuration: ConfigurationValues = {},
): JobGraph {
  const settings = { parameters: { named: {}, positional: [] }, configuration, parallelism }
  return translate(job('plan', build).build(settings))
}

/** One line a vertex: `name x parallelism <- partitioning source, …`. */
export function shape(graph: JobGraph): string[] {
  return graph.vertices.map((vertex) => {
    const inputs = vertex.inputs.map((edge) => `${edge.edge.partitioning.kind} ${edge.source.index}`)
    return `${vertex.name} x${vertex.parallelism}${inputs.length === 0 ? '' : ` <- ${inputs.join(', ')}`}`
  })
}
