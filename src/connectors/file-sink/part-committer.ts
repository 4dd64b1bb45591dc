/**
 * Phase two of the exactly-once file sink: publishes parts by renaming them.
 *
 * Invariants
 * 1. Idempotent: a part that is published already is answered as such.
 *    Where parts may be taken, so is one that is nowhere.
 * 2. When `commit` resolves, the new names are durable.
 */
import { failPoint } from '../../common/fail-points.ts'
import type { FileSystem } from '../../common/file-system.ts'
import { eachInLanes } from '../../common/lanes.ts'
import type { Committer, CommitRequest } from '../sink.ts'

/** Directories that are synced at a time. */
const syncLanes = 64

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
  readonly #mayBeTaken: boolean

  constructor(fileSystem: FileSystem, mayBeTaken: boolean) {
    this.#fileSystem = fileSystem
    this.#mayBeTaken = mayBeTaken
  }

  async commit(requests: readonly CommitRequest<PendingPart>[]): Promise<void> {
    const directories = new Set<string>()
    for (const [index, request] of requests.entries()) {
      if (index > 0) failPoint('halfway-through-commit')
      if (await this.#publish(request)) directories.add(request.committable.directory)
    }
    await eachInLanes(directories, syncLanes, (directory) => this.#fileSystem.syncDirectory(directory))
  }

  /** Whether the part is there now. */
  async #publish(request: CommitRequest<PendingPart>): Promise<boolean> {
    const { directory, hiddenName, name, bytes } = request.committable
    const hidden = `${directory}/${hiddenName}`
    const pending = await this.#fileSystem.stat(hidden)
    const published = pending ?? (await this.#fileSystem.stat(`${directory}/${name}`))
    if (published !== undefined && published.bytes !== (bytes ?? published.bytes)) {
      const path = pending === undefined ? `${directory}/${name}` : hidden
      request.signalFailedWithKnownReason(new Error(`${path} must hold ${bytes} bytes, found ${published.bytes}`))
      return false
    }
    if (pending !== undefined) {
      await this.#fileSystem.rename(hidden, `${directory}/${name}`)
      return true
    }
    const isPublished = published !== undefined
    if (isPublished || this.#mayBeTaken) request.signalAlreadyCommitted()
    else {
      const what = `neither ${hidden} nor ${directory}/${name} is there`
      request.signalFailedWithKnownReason(
        new Error(`${what}; if a reader has taken it, set partsMayBeTaken of the sink`),
      )
    }
    return isPublished
  }
}
