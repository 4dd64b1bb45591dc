/**
 * Timers in snapshots. Nothing is copied when a snapshot begins: buckets are encoded in the background, and one that is
 * about to change before its turn is encoded at that moment. Every snapshot holds all timers.
 *
 * Blocks are those of state/snapshot-layout: state 0 is event time, 1 processing time; an entry is the timer's key, its
 * value `time f64` and the namespace (`0 u8, f64` or `1 u8, text`).
 */
import { hashKey } from '../data/key-groups.ts'
import type { ByteReader, ByteWriter } from '../data/bytes.ts'
import type { FrozenState } from '../state/frozen-state.ts'
import { keyClassCount, type KeyClass, keyClassOf } from '../state/key-class.ts'
import type { KeyGroupRange, Namespace } from '../state/keyed-state-backend.ts'
import { BlockBuilder, BlockOp, type BlockReader, keyCodecs } from '../state/snapshot-layout.ts'
import type { SnapshotPart } from '../state/snapshot-part.ts'
import type { TimerBucket } from './timer-bucket.ts'
import type { TimerQueue } from './timer-queue.ts'

const blockEntriesMax = 4096

export function timerSnapshotPart(
  eventTime: TimerQueue,
  processingTime: TimerQueue,
  range: KeyGroupRange,
  maxParallelism: number,
): SnapshotPart {
  const queues = [eventTime, processingTime]
  let snapshotCount = 0
  return {
    freeze: () => new FrozenTimers(queues, ++snapshotCount, maxParallelism),
    load(block: BlockReader): void {
      const codec = keyCodecs[block.keyClass]!
      for (let i = 0; i < block.count; i++) {
        const group = block.keyGroup(i)
        const key = codec.decode(block.keys)
        const timeMs = block.values.f64()
        const namespace = readNamespace(block.values)
        if (group < range.first || group > range.last) continue
        queues[block.state]!.add(key, namespace, timeMs, hashKey(key))
      }
    },
  }
}

class FrozenTimers implements FrozenState {
  readonly isEmpty: boolean
  readonly #queues: readonly TimerQueue[]
  readonly #number: number
  readonly #maxParallelism: number
  readonly #buckets: TimerBucket[][]
  readonly #builders: (BlockBuilder | undefined)[]
  readonly #finished: Uint8Array[] = []

  constructor(queues: readonly TimerQueue[], number: number, maxParallelism: number) {
    this.#queues = queues
    this.#number = number
    this.#maxParallelism = maxParallelism
    this.#buckets = queues.map((queue) => queue.buckets())
    this.#builders = Array.from({ length: queues.length * keyClassCount })
    this.isEmpty = queues.every((queue) => queue.isEmpty)
    for (const [state, queue] of queues.entries()) {
      queue.snapshotNumber = number
      queue.beforeChange = (bucket) => this.#encode(state, bucket)
    }
  }

  *blocks(): Generator<Uint8Array> {
    for (const [state, buckets] of this.#buckets.entries()) {
      for (const bucket of buckets) {
        if (bucket.savedBy === this.#number) continue
        this.#encode(state, bucket)
        bucket.savedBy = this.#number
        while (this.#finished.length > 0) yield this.#finished.pop()!
      }
    }
    while (this.#finished.length > 0) yield this.#finished.pop()!
    for (const builder of this.#builders) if (builder !== undefined && builder.count > 0) yield builder.take()
  }

  close(): void {
    for (const queue of this.#queues) {
      queue.snapshotNumber = 0
      queue.beforeChange = () => {}
    }
  }

  #encode(state: number, bucket: TimerBucket): void {
    bucket.settle()
    const { times, keys, namespaces } = bucket.columns
    for (let i = 0; i < bucket.count; i++) {
      const timeMs = times[i]!
      if (timeMs !== timeMs) continue
      const builder = this.#builder(state, keyClassOf(keys[i]))
      keyCodecs[builder.head.keyClass]!.encode(keys[i], builder.keys)
      builder.values.f64(timeMs)
      writeNamespace(namespaces[i]!, builder.values)
      builder.finishEntry((hashKey(keys[i]) >>> 0) % this.#maxParallelism)
      if (builder.count >= blockEntriesMax) this.#finished.push(builder.take())
    }
  }

  #builder(state: number, keyClass: KeyClass): BlockBuilder {
    const at = state * keyClassCount + keyClass
    return (this.#builders[at] ??= new BlockBuilder({ op: BlockOp.Upsert, state, keyClass, namespace: 0 }))
  }
}

function writeNamespace(namespace: Namespace, out: ByteWriter): void {
  if (typeof namespace === 'number') {
    out.u8(0)
    out.f64(namespace)
  } else {
    out.u8(1)
    out.text(namespace)
  }
}

function readNamespace(input: ByteReader): Namespace {
  return input.u8() === 0 ? input.f64() : input.text()
}
