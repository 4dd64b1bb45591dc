/** The operations that `micro.ts` measures. Each answers a number made of what it did. */
import { prng } from '../../src/common/prng.ts'
import { newBlockDecoder } from '../../src/data/block-decoder.ts'
import { newBlockEncoder, Written } from '../../src/data/block-encoder.ts'
import { ByteReader, ByteWriter } from '../../src/data/bytes.ts'
import { schemaOfType } from '../../src/data/column-schema.ts'
import { hashKey } from '../../src/data/key-groups.ts'
import { type DataType, types } from '../../src/data/types.ts'
import { codecFor } from '../../src/data/value-codec.ts'
import { DescriptorConsumer, DescriptorProducer } from '../../src/exchange/descriptor-ring.ts'
import {
  descriptorCount,
  DescriptorKind,
  descriptorsOffset,
  descriptorWords,
} from '../../src/exchange/exchange-layout.ts'
import { privateViews } from '../../src/memory/memory-views.ts'
import { createKeyedStateBackend } from '../../src/state/create-keyed-state-backend.ts'
import { TimerQueue } from '../../src/time/timer-queue.ts'

export interface MicroTask {
  readonly name: string
  /** Does its operation as often as `microTasks` was told. */
  run(): number
}

const bidType = types.row({ auction: types.int32(), bidder: types.int32(), price: types.float64(), url: types.text() })

export function microTasks(count: number): MicroTask[] {
  const random = prng(1)
  const ints = Int32Array.from({ length: count }, () => random.nextBelow(1_000_000))
  const texts = Array.from(ints, (int) => `user-${int}`)
  return [
    { name: 'hash of an int key', run: () => hashAll(ints) },
    { name: 'hash of a text key', run: () => hashAll(texts) },
    countTask('managed counter, 1 k int keys', ints, (i) => ints[i]! % 1000),
    countTask('managed counter, 10 k text keys', ints, (i) => `user-${ints[i]! % 10_000}`),
    encodeTask(count),
    decodeTask(count),
    codecTask('codec of rows, there and back', bidType.dataType, count, (i) => bid(i)),
    codecTask('generic codec, there and back', undefined, count, (i) => bid(i)),
    ringTask(count),
    timerTask(ints),
  ]
}

function bid(i: number): object {
  return { auction: i, bidder: i % 1000, price: i / 4, url: `https://example.com/item/${i % 100}` }
}

function hashAll(keys: ArrayLike<unknown>): number {
  let hashes = 0
  for (let i = 0; i < keys.length; i++) hashes ^= hashKey(keys[i])
  return hashes
}

/** A look-up and a write at the place it found. */
function countTask(name: string, ints: Int32Array, keyOf: (i: number) => unknown): MicroTask {
  const keys = Array.from(ints, (_, i) => keyOf(i))
  const keyGroupRange = { first: 0, last: 127 }
  const backend = createKeyedStateBackend('managed', { keyGroupRange, maxParallelism: 128 })
  const counter = backend.value({ kind: 'value', name: 'count', type: types.float64() })
  return {
    name,
    run() {
      for (let i = 0; i < keys.length; i++) {
        backend.setCurrentKey(keys[i])
        counter.update((counter.value() ?? 0) + 1)
      }
      return keys.length
    },
  }
}

const segmentBytes = 65_536

function encodeTask(count: number): MicroTask {
  const encoder = newBlockEncoder(schemaOfType(bidType.dataType), privateViews(segmentBytes))
  const bids = Array.from({ length: 1000 }, (_, i) => bid(i))
  return {
    name: 'encode a bid into columns',
    run() {
      let written = 0
      while (written < count) {
        encoder.open(64, segmentBytes - 64, encoder.rowsFor(segmentBytes - 64, true), true)
        while (written < count && encoder.write(bids[written % 1000], written) === Written.Wrote) written++
        encoder.seal()
      }
      return written
    },
  }
}

function decodeTask(count: number): MicroTask {
  const views = privateViews(segmentBytes)
  const schema = schemaOfType(bidType.dataType)
  const encoder = newBlockEncoder(schema, views)
  encoder.open(64, segmentBytes - 64, encoder.rowsFor(segmentBytes - 64, true), true)
  for (let i = 0; encoder.write(bid(i), i) === Written.Wrote; i++);
  encoder.seal()
  const decoder = newBlockDecoder(schema.key, views)
  return {
    name: 'decode a bid, and read two of its fields',
    run() {
      let sum = 0
      for (let done = 0; done < count;) {
        decoder.open(64)
        for (let i = 0; i < decoder.count && done < count; i++, done++) {
          const { auction, url } = decoder.read(i) as { auction: number; url: string }
          sum = (sum + auction + url.length) | 0
        }
      }
      return sum
    },
  }
}

function codecTask(
  name: string,
  type: DataType | undefined,
  count: number,
  valueOf: (i: number) => unknown,
): MicroTask {
  const codec = codecFor(type)
  const values = Array.from({ length: 1000 }, (_, i) => valueOf(i))
  const out = new ByteWriter(1 << 20)
  const input = new ByteReader()
  return {
    name,
    run() {
      let decoded = 0
      for (let done = 0; done < count; done += 1000) {
        out.reset()
        const upTo = Math.min(1000, count - done)
        for (let i = 0; i < upTo; i++) codec.encode(values[i], out)
        input.reset(out.buffer)
        for (let i = 0; i < upTo; i++) if (codec.decode(input) !== undefined) decoded++
      }
      return decoded
    },
  }
}

/** A batch's descriptor, published, seen and freed. */
function ringTask(count: number): MicroTask {
  const views = privateViews((descriptorsOffset + descriptorCount * descriptorWords) * 4)
  const producer = new DescriptorProducer(views, 0)
  const consumer = new DescriptorConsumer(views, 0)
  return {
    name: 'publish and consume a descriptor',
    run() {
      let seen = 0
      for (let i = 0; i < count; i++) {
        if (producer.free(1) < 1) throw new Error('the ring is full')
        producer.publish(DescriptorKind.Batch, i & 7, 0, 4096, i, true)
        seen ^= consumer.peek()
        consumer.advance()
      }
      return seen
    },
  }
}

/** Each timer registered once and popped. */
function timerTask(ints: Int32Array): MicroTask {
  const queue = new TimerQueue()
  let nowMs = 0
  return {
    name: 'register and fire a timer',
    run() {
      let fired = 0
      for (let i = 0; i < ints.length; i++) {
        const key = ints[i]!
        queue.add(key, 0, nowMs + (key % 10_000), hashKey(key))
      }
      nowMs += 10_000
      while (queue.pop(nowMs)) fired++
      return fired
    },
  }
}
