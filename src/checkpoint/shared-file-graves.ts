/**
 * Shared files that no retained checkpoint refers to any more, until they may be removed: when every subtask has confirmed
 * the checkpoint that left them behind, and every checkpoint triggered before that is over. One of those may refer to them
 * still: where it completes, snapshots after it may build on it, so they are retained once more. Coordinator thread, cold.
 */
interface Grave {
  files: readonly string[]
  /** All subtasks must have confirmed this one first. */
  readonly confirmId: number
  /** Checkpoints that were under way then; undefined until all have confirmed. */
  waitFor: Set<number> | undefined
}

export class SharedFileGraves {
  #graves: Grave[] = []

  bury(files: readonly string[], confirmId: number): void {
    if (files.length > 0) this.#graves.push({ files, confirmId, waitFor: undefined })
  }

  /** A checkpoint has completed that refers to these files: they wait no longer, until it leaves them behind itself. */
  exhume(files: ReadonlySet<string>): void {
    for (const grave of this.#graves) grave.files = grave.files.filter((path) => !files.has(path))
  }

  checkpointOver(checkpointId: number): void {
    for (const { waitFor } of this.#graves) waitFor?.delete(checkpointId)
  }

  /** Takes out the files that nobody can refer to any more. `underWay`: ids of checkpoints. */
  takeRipe(confirmedId: () => number, underWay: () => Iterable<number>): string[] {
    if (this.#graves.length === 0) return []
    const newest = confirmedId()
    const ripe: string[] = []
    this.#graves = this.#graves.filter((grave) => {
      if (grave.confirmId <= newest) grave.waitFor ??= new Set(underWay())
      if (grave.waitFor?.size !== 0) return true
      ripe.push(...grave.files)
      return false
    })
    return ripe
  }
}
