/**
 * Asynchronous work under way in a slot: while there is some, the slot waits in its event loop and not in its thread.
 * Thread: the slot's; cold.
 */

/** Counts what is under way, and wakes the slot's loop. */
export class AsyncHolds {
  readonly #outer: AsyncHolds | undefined
  readonly #outerHolds = new Set<{ release(): void }>()
  #count = 0
  #wake: (() => void) | undefined
  #isWoken = false

  /** `outer`: of the slot, where these are of a part that may be given up before the slot ends. */
  constructor(outer?: AsyncHolds) {
    this.#outer = outer
  }

  hold(): { release(): void } {
    const outer = this.#outer?.hold()
    if (outer !== undefined) this.#outerHolds.add(outer)
    this.#count++
    let isHeld = true
    return {
      release: () => {
        if (!isHeld) return
        isHeld = false
        this.#count--
        if (outer !== undefined) this.#outerHolds.delete(outer)
        outer?.release()
        this.wake()
      },
    }
  }

  /** The part is closed: what it still waits for holds the slot no longer. */
  giveUp(): void {
    for (const hold of this.#outerHolds) hold.release()
    this.#outerHolds.clear()
  }

  get count(): number {
    return this.#count
  }

  /** Ends a wait in the event loop early; one that is about to begin, too, after `prepareWait`. */
  wake(): void {
    this.#isWoken = true
    this.#wake?.()
    this.#outer?.wake()
  }

  /** Announces a wait: look once more for work, then take `nextWake`. */
  prepareWait(): void {
    this.#isWoken = false
  }

  /** Resolves when `wake` is called, or was since `prepareWait`. */
  nextWake(): Promise<void> {
    if (this.#isWoken) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
    })
  }
}
