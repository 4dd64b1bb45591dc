/** The splits that a reader still has to read, and whether more may come. Cold path: touched once per split. */
import { Progress } from '../common/progress.ts'

export class SplitQueue<Split> {
  #pending: Split[] = []
  #isComplete = false

  add(splits: readonly Split[]): void {
    for (const split of splits) this.#pending.push(split)
  }

  /** No more splits will come. */
  complete(): void {
    this.#isComplete = true
  }

  get isEmpty(): boolean {
    return this.#pending.length === 0
  }

  /** True where none is left and more may come. */
  get needsSplit(): boolean {
    return this.#pending.length === 0 && !this.#isComplete
  }

  /** What a reader answers that has read everything it was given. */
  get progressWhenEmpty(): Progress {
    return this.#isComplete ? Progress.Done : Progress.Idle
  }

  take(): Split | undefined {
    return this.#pending.shift()
  }

  /** In order of reading. */
  remaining(): readonly Split[] {
    return this.#pending
  }
}
