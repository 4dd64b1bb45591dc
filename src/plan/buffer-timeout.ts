/** How long a record may wait in a partial batch of an edge: what the edge's operator says, or else the job. */
import { configOptions } from '../common/config-options.ts'
import { Configuration } from '../common/configuration.ts'
import type { JobGraph } from './job-graph.ts'
import type { StreamEdge } from './stream-graph.ts'

/**
 * Milliseconds; 0: every record leaves at once, -1: partial batches wait until they are full or the slot is idle. As in
 * Flink it is the last operator before the exchange that counts, not another one of its chain.
 */
export function bufferTimeoutMs(job: Pick<JobGraph, 'configuration'>, edge: StreamEdge): number {
  const ofOperator = edge.source.bufferTimeoutMs
  if (ofOperator !== undefined) return ofOperator
  const configuration = Configuration.of(job.configuration)
  return configuration.get(configOptions.bufferTimeoutEnabled) ? configuration.get(configOptions.bufferTimeout) : -1
}
