/**
 * The files that make up the state of the last completed checkpoint: a base and the deltas written since. Decides when
 * a checkpoint writes a new base instead of one more delta.
 *
 * Invariant: a delta refers to a completed checkpoint's files only; what a failed or unconfirmed checkpoint wrote is
 * written again.
 */
import type { StoredFile } from './snapshot-store.ts'

/**
 * A new base is written once the deltas are as large as the base, and all of the chain twice as large as a new base would
 * be. What only grows never gets there: its deltas hold nothing that an earlier file holds, too.
 */
const deltaToBaseMax = 1
const chainToFullMax = 2
const deltaCountMax = 200

interface Recorded {
  readonly checkpointId: number
  readonly files: readonly StoredFile[]
}

export class SnapshotChain {
  #confirmed: readonly StoredFile[] | undefined
  #unconfirmed: Recorded[] = []

  /**
   * Files of the last completed checkpoint; undefined where a full snapshot is due. `fullBytes`: how large one would be, 0
   * where that is not known.
   */
  basis(fullBytes: number): readonly StoredFile[] | undefined {
    const files = this.#confirmed
    if (files === undefined) return undefined
    const [base, ...deltas] = files
    const deltaBytes = deltas.reduce((sum, file) => sum + file.bytes, 0)
    if (base === undefined || deltas.length >= deltaCountMax) return undefined
    const isMostlyDeltas = deltaBytes > base.bytes * deltaToBaseMax
    return isMostlyDeltas && base.bytes + deltaBytes > fullBytes * chainToFullMax ? undefined : files
  }

  record(checkpointId: number, files: readonly StoredFile[]): void {
    this.#unconfirmed.push({ checkpointId, files })
  }

  complete(checkpointId: number): boolean {
    const found = this.#unconfirmed.find((recorded) => recorded.checkpointId === checkpointId)
    if (found === undefined) return false
    this.#confirmed = found.files
    this.#unconfirmed = this.#unconfirmed.filter((recorded) => recorded.checkpointId > checkpointId)
    return true
  }

  abort(checkpointId: number): void {
    this.#unconfirmed = this.#unconfirmed.filter((recorded) => recorded.checkpointId !== checkpointId)
  }
}
