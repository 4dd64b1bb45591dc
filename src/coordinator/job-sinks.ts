/** What sinks do once per job, in the coordinator: check the target before, publish or remove after. Cold. */
import { asMillraceError, codeOf, MillraceError } from '../common/errors.ts'
import type { FileSystem } from '../common/file-system.ts'
import type { Sink } from '../connectors/sink.ts'
import type { JobGraph } from '../plan/job-graph.ts'

export interface SinkPreparation {
  readonly isRestored: boolean
  readonly checkpointsEnabled: boolean
  readonly jobId: string
  readonly fileSystem: FileSystem
}

interface PlacedSink {
  readonly sink: Sink<unknown>
  readonly parallelism: number
}

export class JobSinks {
  readonly #sinks: readonly PlacedSink[]
  #prepared: PlacedSink[] = []

  constructor(job: JobGraph) {
    this.#sinks = job.vertices.flatMap(({ nodes, parallelism }) =>
      nodes.flatMap(({ body }) => (body.kind === 'sink' ? [{ sink: body.sink, parallelism }] : [])),
    )
  }

  async prepare(preparation: SinkPreparation): Promise<void> {
    try {
      for (const placed of this.#sinks) {
        await placed.sink.prepare?.({ parallelism: placed.parallelism, ...preparation })
        this.#prepared.push(placed)
      }
    } catch (error) {
      throw asMillraceError(error, 'MR_SINK_FAILED')
    }
  }

  /** Makes plain output visible: every subtask has finished. */
  async commit(): Promise<void> {
    for (const { sink } of this.#sinks) {
      try {
        await sink.commitJob?.()
      } catch (error) {
        if (codeOf(error) !== undefined) throw error
        throw new MillraceError('MR_SINK_FAILED', `${sink.name} could not publish its output: ${String(error)}`, {
          cause: error,
        })
      }
    }
  }

  /** Removes what is not published. The job's own failure is what the caller throws. */
  async abort(): Promise<void> {
    for (const { sink } of this.#prepared.splice(0)) {
      try {
        await sink.abortJob?.()
      } catch {
        // Nothing can be done about leavings of an aborted sink here; the next run's `prepare` removes them.
      }
    }
  }
}
