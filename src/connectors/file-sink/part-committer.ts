/**
 * Phase two of the exactly-once file sink: publishes parts by renaming them.
 *
 * Invariants
 * 1. Idempotent: a part that is published already is answered as such.
 * 2. When `commit` resolves, the new names are durable.
 */
import { failPoint } from '../../common/fail-points.ts'
import type { FileSystem } from '../../common/file-system.ts'
import type { Committer, CommitRequest } from '../sink.ts'

/** A part file that is written, synced and closed; it is published when its checkpoint is complete. */
export interface PendingPart {
  /** Absolute. */
  readonly directory: string
  readonly hiddenName: string
  readonly name: string
  /** Its length; absent in checkpoints of earlier versions. */
  readonly bytes?: number
}

export class PartCommitter implements Committer<PendingPart> {
  readonly #fileSystem: FileSystem

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem
  }

  async commit(requests: readonly CommitRequest<PendingPart>[]): Promise<void> {
    const directories = new Set<string>()
    for (const [index, request] of requests.entries()) {
      if (index > 0) failPoint('halfway-through-commit')
      await this.#publish(request)
      directories.add(request.committable.directory)
    }
    for (const directory of directories) await this.#fileSystem.syncDirectory(directory)
  }

  async #publish(request: CommitRequest<PendingPart>): Promise<void> {
    const { directory, hiddenName, name, bytes } = request.committable
    const hidden = `${directory}/${hiddenName}`
    const found = await this.#fileSystem.stat(hidden)
    if (found !== undefined && found.bytes !== (bytes ?? found.bytes)) {
      request.signalFailedWithKnownReason(new Error(`${hidden} must hold ${bytes} bytes, found ${found.bytes}`))
    } else if (found !== undefined) {
      await this.#fileSystem.rename(hidden, `${directory}/${name}`)
    } else if ((await this.#fileSystem.stat(`${directory}/${name}`)) !== undefined) {
      request.signalAlreadyCommitted()
    } else {
      request.signalFailedWithKnownReason(new Error(`neither ${hidden} nor ${directory}/${name} is there`))
    }
  }
}
