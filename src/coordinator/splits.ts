/** Asks every source for its splits, in the coordinator, before the job starts. Cold. */
import { asMillraceError } from '../common/errors.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import { type SplitPool, splitPool } from '../runtime/source-head.ts'

/** Splits by vertex index. */
export type Splits = Readonly<Record<number, readonly unknown[]>>

/** By vertex index; where `restored` has splits of a vertex, those. Errors name the source. */
export async function enumerateSplits(job: JobGraph, restored: Splits): Promise<Splits> {
  const splits: Record<number, readonly unknown[]> = {}
  for (const vertex of job.vertices) {
    const { body, name } = vertex.nodes[0]!
    if (body.kind !== 'source') continue
    try {
      const { parallelism, index } = vertex
      splits[index] = restored[index] ?? (await body.source.enumerateSplits({ parallelism }))
    } catch (error) {
      throw asMillraceError(error, 'MR_SOURCE_UNREADABLE', { operator: name })
    }
  }
  return splits
}

/** Pools of which nothing is claimed yet: a new one for every attempt. */
export function splitPools(job: JobGraph, splits: Splits): Readonly<Record<number, SplitPool>> {
  const pools = Object.entries(splits).map(([index, ofVertex]) => {
    const { body } = job.vertices[Number(index)]!.nodes[0]!
    const assignment = (body.kind === 'source' ? body.source.assignment : undefined) ?? 'on-request'
    return [index, splitPool(ofVertex, assignment)]
  })
  return Object.fromEntries(pools)
}
