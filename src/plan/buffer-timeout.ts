/** How long a record may wait in a partial batch: the shortest of the job's setting and those of its operators. */
import { configOptions } from '../common/config-options.ts'
import { Configuration } from '../common/configuration.ts'
import type { JobGraph } from './job-graph.ts'

/** Milliseconds; 0: every record leaves at once, -1: partial batches wait until they are full or the slot is idle. */
export function bufferTimeoutMs(job: JobGraph): number {
  const configuration = Configuration.of(job.configuration)
  const ofJob = configuration.get(configOptions.bufferTimeoutEnabled)
    ? configuration.get(configOptions.bufferTimeout)
    : -1
  const ofNodes = job.vertices.flatMap((vertex) => vertex.nodes.map((node) => node.bufferTimeoutMs ?? ofJob))
  const given = ofNodes.filter((timeoutMs) => timeoutMs >= 0)
  return given.length === 0 ? -1 : Math.min(...given)
}
