/** rebalance and rescale: one channel after the other; producers begin at different ones. */
import type { Partitioner, PartitionerContext } from './partitioner.ts'

class Turn {
  readonly #count: number
  #next: number

  constructor(first: number, count: number) {
    this.#next = first
    this.#count = count
  }

  take(): number {
    const taken = this.#next
    this.#next = taken + 1 === this.#count ? 0 : taken + 1
    return taken
  }
}

export function roundRobin({ channels, subtaskIndex }: PartitionerContext): Partitioner {
  return {
    bindings: { turn: new Turn(subtaskIndex % channels.length, channels.length) },
    select: (names) => `${names.channels}[${names.turn}.take()]`,
  }
}
