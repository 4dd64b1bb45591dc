/**
 * The input gate of a task: all its channels, taken in turn. Hot per batch; thread: the slot's.
 *
 * Invariants
 * 1. A channel that is held back (its barrier has arrived, the others' have not) is not polled.
 * 2. After a batch of a channel the same channel is polled again only after the task has taken the whole batch.
 */
import { type BatchReader, type ChannelReader, Polled } from '../exchange/channel.ts'
import type { StreamEvent } from '../exchange/stream-event.ts'
import { WatermarkValve } from '../time/watermark-valve.ts'

/** One channel of the gate and where it stands. */
export interface GateChannel {
  readonly index: number
  readonly input: 0 | 1
  readonly reader: ChannelReader
  /** Position in `JobGraph.edges`. */
  readonly edgeIndex: number
  readonly sourceSubtask: number
  /** Who writes it, for diagnostics: `Map[1]`. */
  readonly producer: string
  isEnded: boolean
  isHeldBack: boolean
}

export class InputGate {
  readonly channels: readonly GateChannel[]
  readonly valve: WatermarkValve
  /** The channel of the element that `poll` found. */
  channel: GateChannel
  #next = 0
  #openCount: number

  constructor(channels: readonly Omit<GateChannel, 'index' | 'isEnded' | 'isHeldBack'>[]) {
    this.channels = channels.map((channel, index) => ({ ...channel, index, isEnded: false, isHeldBack: false }))
    this.channel = this.channels[0]!
    this.valve = new WatermarkValve(this.channels.length)
    this.#openCount = this.channels.length
  }

  /** Looks for the next element in any channel that may be read, fairly. */
  poll(): Polled {
    const { channels } = this
    const count = channels.length
    for (let tried = 0; tried < count; tried++) {
      const channel = channels[this.#next]!
      this.#next = this.#next + 1 === count ? 0 : this.#next + 1
      if (channel.isHeldBack) continue
      const polled = channel.reader.poll()
      if (polled === Polled.Nothing) continue
      this.channel = channel
      return polled
    }
    return Polled.Nothing
  }

  get batch(): BatchReader {
    return this.channel.reader.batch
  }

  get event(): StreamEvent {
    return this.channel.reader.event
  }

  /** True where every channel has ended. */
  isEnded(): boolean {
    return this.#openCount === 0
  }

  /** True where every channel of an input has ended. */
  isInputEnded(input: 0 | 1): boolean {
    return this.channels.every((channel) => channel.input !== input || channel.isEnded)
  }

  endChannel(channel: GateChannel): void {
    if (channel.isEnded) return
    channel.isEnded = true
    this.#openCount--
  }

  queueLength(): number {
    let length = 0
    for (const channel of this.channels) length += channel.reader.queueLength()
    return length
  }

  close(): void {
    for (const channel of this.channels) channel.reader.close()
  }
}
