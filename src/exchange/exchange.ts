/**
 * The exchange: the coordinator lays its memory out once, every slot opens its ends of it. See exchange-layout.ts for
 * the memory, channel.ts for the contract of the ends.
 */
import { assert } from '../common/assert.ts'
import { type MemoryViews, viewsOf } from '../memory/memory-views.ts'
import type { ChannelReader } from './channel.ts'
import type { GateCredits } from './credits.ts'
import { Doorbell } from './doorbell.ts'
import type { EdgeSchema } from './edge-schema.ts'
import type { ExchangeDescription, RingSpec } from './exchange-layout.ts'
import { LocalChannel, LocalReader, LocalWriter } from './local-channel.ts'
import type { Pressure, RecordPort } from './record-port.ts'
import { RingReader } from './ring-reader.ts'
import { RingWriter } from './ring-writer.ts'

export {
  type ChannelSpec,
  type ExchangeDescription,
  layOutExchange,
  resetChannels,
  resetExchange,
} from './exchange-layout.ts'

export interface WriterOptions {
  /** Shared by the channels of an edge; default: inferred by this channel alone. */
  readonly schema?: EdgeSchema
  readonly pressure?: Pressure
}

/** A slot's ends of an exchange. */
export interface Exchange {
  /** Each end is opened once, in the slot that owns it. */
  reader(channel: number): ChannelReader
  writer(channel: number, options?: WriterOptions): RecordPort
  readonly doorbell: SlotBell
  /** Closes every end that was opened here. */
  close(): void
}

/** How this slot sleeps. */
export interface SlotBell {
  /** Announces sleep; look once more for work afterwards. */
  prepareSleep(): void
  cancelSleep(): void
  /** True where a peer has rung since `prepareSleep`. */
  isRung(): boolean
  /** Blocks the thread until a peer rings or the time is over. Cancel afterwards. */
  sleep(timeoutMs: number): void
  sleepAsync(timeoutMs: number): Promise<void>
}

/** Wakes a slot from any thread. */
export function ringDoorbell(description: ExchangeDescription, slot: number): void {
  bellOf(description, new Int32Array(description.buffer), slot).ring()
}

/** `slots`: those that this thread hosts; one, or all of them where the exchange is local. */
export function openExchange(description: ExchangeDescription, slots: readonly number[]): Exchange {
  return new SlotExchange(description, slots)
}

class SlotExchange implements Exchange {
  readonly doorbell: SlotBell
  readonly #description: ExchangeDescription
  readonly #views: MemoryViews
  readonly #rings: ReadonlyMap<number, RingSpec>
  readonly #gates = new Map<string, GateCredits>()
  readonly #locals = new Map<number, LocalChannel>()
  readonly #opened: { close(): void }[] = []

  constructor(description: ExchangeDescription, slots: readonly number[]) {
    this.#description = description
    this.#views = viewsOf(description.buffer)
    this.#rings = new Map(description.rings.map((ring) => [ring.channel.id, ring]))
    for (const { gate, floating } of description.gates) {
      const channels = description.rings.filter((ring) => ring.gate === gate).length
      this.#gates.set(gate, { free: [...floating], share: Math.ceil(floating.length / channels) })
    }
    for (const id of description.local) this.#locals.set(id, new LocalChannel())
    this.doorbell = slotBell(bellOf(description, this.#views.i32, slots[0]!))
  }

  reader(channel: number): ChannelReader {
    const local = this.#locals.get(channel)
    if (local !== undefined) return this.#keep(new LocalReader(local))
    const ring = this.#ring(channel)
    const { segments } = this.#description
    const gate = this.#gates.get(ring.gate)!
    return this.#keep(
      new RingReader({ ring, views: this.#views, segments, gate, bell: this.#bell(ring.channel.producerSlot) }),
    )
  }

  writer(channel: number, options: WriterOptions = {}): RecordPort {
    const local = this.#locals.get(channel)
    if (local !== undefined) return this.#keep(new LocalWriter(local, options))
    const ring = this.#ring(channel)
    const { segments } = this.#description
    return this.#keep(
      new RingWriter({ ...options, ring, views: this.#views, segments, bell: this.#bell(ring.channel.consumerSlot) }),
    )
  }

  close(): void {
    for (const end of this.#opened) end.close()
  }

  #keep<T extends { close(): void }>(end: T): T {
    this.#opened.push(end)
    return end
  }

  #ring(channel: number): RingSpec {
    const ring = this.#rings.get(channel)
    assert(ring !== undefined, `the exchange has no channel ${channel}`)
    return ring
  }

  #bell(slot: number): Doorbell {
    return bellOf(this.#description, this.#views.i32, slot)
  }
}

/** All slots of a local exchange share the one thread, and its bell. */
function bellOf(description: ExchangeDescription, words: Int32Array, slot: number): Doorbell {
  return new Doorbell(words, description.isLocal ? 0 : slot)
}

function slotBell(bell: Doorbell): SlotBell {
  let heard = 0
  return {
    prepareSleep: () => void (heard = bell.arm()),
    cancelSleep: () => bell.disarm(),
    isRung: () => bell.hasRung(heard),
    sleep: (timeoutMs) => bell.sleep(heard, timeoutMs),
    sleepAsync: (timeoutMs) => bell.sleepAsync(heard, timeoutMs),
  }
}
