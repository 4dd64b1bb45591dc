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
import { hiddenNameOf } from './part-name.ts'
import { sinkError } from './sink-error.ts'
import { syncDirectories, syncLanes } from './sync-directories.ts'

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
    await syncDirectories(this.#fileSystem, directories)
  }

  /** Under names by which a savepoint finds them, whatever the job does before it is started from that. */
  async keep(parts: readonly PendingPart[]): Promise<readonly PendingPart[]> {
    const directories = new Set<string>()
    await eachInLanes(parts, syncLanes, async ({ directory, name, hiddenName }) => {
      const path = `${directory}/${hiddenName}`
      const kept = `${directory}/${hiddenNameOf(name, 'kept')}`
      try {
        // A commit that was broken off may have published it.
        if (path === kept || (await this.#fileSystem.stat(path)) === undefined) return
        await this.#fileSystem.rename(path, kept)
      } catch (error) {
        throw sinkError(path, error)
      }
      directories.add(directory)
    })
    await syncDirectories(this.#fileSystem, directories)
    return parts.map((part) => ({ ...part, hiddenName: hiddenNameOf(part.name, 'kept') }))
  }

  /** Whether the part is there now. */
  async #publish(request: CommitRequest<PendingPart>): Promise<boolean> {
    const { directory, hiddenName, name, bytes } = request.committable
    const hidden = `${directory}/${hiddenName}`
    const target = `${directory}/${name}`
    const found = await this.#find(request.committable)
    if (found !== undefined && found.bytes !== (bytes ?? found.bytes)) {
      request.signalFailedWithKnownReason(new Error(`${found.path} must hold ${bytes} bytes, found ${found.bytes}`))
      return false
    }
    if (found !== undefined && found.path !== target) {
      try {
        await this.#fileSystem.rename(found.path, target)
      } catch (error) {
        // The writer that looks after the part shows it again at the same time.
        if (found.path === hidden || (await this.#fileSystem.stat(target)) === undefined) throw error
      }
      return true
    }
    if (found !== undefined || this.#mayBeTaken) request.signalAlreadyCommitted()
    else {
      const what = `neither ${hidden} nor ${target} is there`
      request.signalFailedWithKnownReason(
        new Error(`${what}; if a reader has taken it, set partsMayBeTaken of the sink`),
      )
    }
    return found !== undefined
  }

  /**
   * A part that was pending may have been kept for a savepoint since, or published and, by a start from before, hidden
   * away. In the end it is published, which is why that name comes last.
   */
  async #find({
    directory,
    hiddenName,
    name,
  }: PendingPart): Promise<{ readonly path: string; readonly bytes: number } | undefined> {
    const names = new Set([hiddenName, hiddenNameOf(name, 'kept'), hiddenNameOf(name, 'superseded'), name])
    for (const one of names) {
      const path = `${directory}/${one}`
      const found = await this.#fileSystem.stat(path)
      if (found !== undefined) return { path, bytes: found.bytes }
    }
    return undefined
  }
}
