/** Both ends of one channel in one thread, of either kind, for contract and property tests. */
import type { ChannelReader, ChannelWriter } from '../../src/exchange/channel.ts'
import { Polled } from '../../src/exchange/channel.ts'
import { EdgeSchema } from '../../src/exchange/edge-schema.ts'
import { layOutExchange, openExchange } from '../../src/exchange/exchange.ts'
import type { StreamEvent } from '../../src/exchange/stream-event.ts'
import type { DataType } from '../../src/data/types.ts'

export type ChannelKind = 'ring' | 'local'

export interface TwoEnds {
  readonly writer: ChannelWriter
  readonly reader: ChannelReader
}

export interface EndsOptions {
  readonly segmentBytes?: number
  readonly buffersPerChannel?: number
  readonly floatingBuffersPerGate?: number
  readonly type?: DataType
}

export function twoEnds(kind: ChannelKind, options: EndsOptions = {}): TwoEnds {
  const consumerSlot = kind === 'ring' ? 1 : 0
  const channel = { id: 0, edgeIndex: 0, sourceSubtask: 0, targetSubtask: 0, producerSlot: 0, consumerSlot }
  const description = layOutExchange({ channels: [channel], slotCount: 2, ...options })
  const producer = openExchange(description, [0])
  const consumer = kind === 'ring' ? openExchange(description, [1]) : producer
  return { writer: producer.writer(0, { schema: new EdgeSchema(options.type) }), reader: consumer.reader(0) }
}

/** One thing that a channel carried. */
export type Carried = { readonly value: unknown; readonly timestampMs: number } | { readonly event: StreamEvent }

/** Polls once; undefined where nothing is there. */
export function pollOnce(reader: ChannelReader): Carried[] | undefined {
  switch (reader.poll()) {
    case Polled.Nothing:
      return undefined
    case Polled.Event:
      return [{ event: reader.event }]
    default: {
      const { batch } = reader
      return Array.from({ length: batch.count }, (_, i) => ({
        value: batch.read(i),
        timestampMs: batch.timestampMs(i),
      }))
    }
  }
}

/** Polls until nothing is left, draining the writer between. */
export function pollAll({ writer, reader }: TwoEnds): Carried[] {
  const carried: Carried[] = []
  for (;;) {
    const found = pollOnce(reader)
    if (found !== undefined) carried.push(...found)
    else if (writer.isFull()) {
      if (!writer.drain() && reader.queueLength() === 0) throw new Error('the writer is full and the channel empty')
    } else return carried
  }
}

export const records = (values: readonly unknown[], timestampMs: number = -Infinity): Carried[] =>
  values.map((value) => ({ value, timestampMs }))
