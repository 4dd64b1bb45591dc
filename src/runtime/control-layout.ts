/**
 * Control words that the coordinator shares with every slot: one cache line (16 int32) per slot.
 *
 *   0        4              8            64
 *   ├────────┼──────────────┼────────────┤
 *   │ cancel │ commandCount │ (padding)  │   per slot
 *   └────────┴──────────────┴────────────┘
 *
 * cancel: 0 run, 1 stop as soon as possible. commandCount: grows by one after a command was posted to the slot's port.
 * The coordinator writes, the slot reads; both by Atomics (the word publishes what was posted before).
 */
const wordsPerSlot = 16
const cancelWord = 0
const commandWord = 1

export function allocateControlWords(slotCount: number): SharedArrayBuffer {
  return new SharedArrayBuffer(slotCount * wordsPerSlot * 4)
}

/** The words of one slot. Thread: coordinator (`requestCancel`, `announceCommand`) and slot (the rest). */
export class ControlWords {
  readonly #words: Int32Array
  #seenCommands = 0

  constructor(buffer: SharedArrayBuffer, slot: number) {
    this.#words = new Int32Array(buffer, slot * wordsPerSlot * 4, wordsPerSlot)
  }

  requestCancel(): void {
    Atomics.store(this.#words, cancelWord, 1)
  }

  isCancelRequested(): boolean {
    return Atomics.load(this.#words, cancelWord) !== 0
  }

  announceCommand(): void {
    Atomics.add(this.#words, commandWord, 1)
  }

  /** True once after each announcement. */
  takeCommandAnnounced(): boolean {
    const count = Atomics.load(this.#words, commandWord)
    if (count === this.#seenCommands) return false
    this.#seenCommands = count
    return true
  }
}
