/** What a user should know of the checkpoint that a job starts from. */
import type { SubtaskRestore } from '../checkpoint/messages.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import { lacksTimers } from '../state/disk/disk-handle.ts'

/** Timers that are silently gone otherwise: one warning, naming the operators that may have had some. */
export function restoreWarnings(job: JobGraph, subtasks: Readonly<Record<string, SubtaskRestore>>): string[] {
  const ids = new Set<string>()
  for (const { operators } of Object.values(subtasks)) {
    for (const [id, { keyed }] of Object.entries(operators)) if (keyed.some(lacksTimers)) ids.add(id)
  }
  const names = job.vertices
    .flatMap(({ nodes }) => nodes)
    .filter(({ id }) => ids.has(job.operatorIds.get(id) ?? ''))
    .map(({ name }) => name)
  if (names.length === 0) return []
  return [
    `the checkpoint was written by a version whose backends on disk stored no timers: those of ${names.join(', ')} are not restored`,
  ]
}
