/** Asks every source for its splits, in the coordinator, before the job starts. Cold. */
import { asMillraceError } from '../common/errors.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import type { SplitPool } from '../runtime/source-head.ts'

/** By vertex index. Errors name the source. */
export async function enumerateSplits(job: JobGraph): Promise<Record<number, SplitPool>> {
  const pools: Record<number, SplitPool> = {}
  for (const vertex of job.vertices) {
    const { body, name } = vertex.nodes[0]!
    if (body.kind !== 'source') continue
    try {
      const splits = await body.source.enumerateSplits({ parallelism: vertex.parallelism })
      pools[vertex.index] = splitPool(splits, body.source.assignment ?? 'on-request')
    } catch (error) {
      throw asMillraceError(error, 'MR_SOURCE_UNREADABLE', { operator: name })
    }
  }
  return pools
}

export function splitPool(splits: readonly unknown[], assignment: SplitPool['assignment']): SplitPool {
  return { splits, assignment, next: new Int32Array(new SharedArrayBuffer(4)) }
}
