/**
 * Timers by time: buckets that each hold a stretch of `#widthMs`, and a heap of the buckets' numbers. The width grows
 * when buckets turn out to hold few timers, so that neither 10 million timers within a second nor as many spread over a
 * year cost more than a look-up each.
 *
 * Invariants
 * 1. Bucket n holds the times in [n * width, (n + 1) * width); infinite times are in the buckets ±Infinity.
 * 2. `#ids` is a binary heap of the numbers of all buckets in `#buckets`.
 * 3. While a snapshot is under way every bucket is handed to `beforeChange` before its first change.
 */
import { hashKey, mix32 } from '../data/key-groups.ts'
import type { Namespace } from '../state/keyed-state-backend.ts'
import { TimerBucket } from './timer-bucket.ts'

const initialWidthMs = 256
/** With more buckets than this, buckets shall hold `entriesPerBucketMin` timers on average. */
const sparseBucketsMax = 1024
const entriesPerBucketMin = 16
const widening = 16

export class TimerQueue {
  size = 0
  /** What `pop` has taken out. */
  poppedKey: unknown = undefined
  poppedNamespace: Namespace = 0
  poppedMs = 0
  /** Number of the snapshot under way, 0 where there is none. */
  snapshotNumber = 0
  /** Called before the first change of a bucket while a snapshot is under way. */
  beforeChange: (bucket: TimerBucket) => void = () => {}
  #widthMs = initialWidthMs
  #buckets: Map<number, TimerBucket> = new Map()
  #ids: number[] = []
  #last: TimerBucket | undefined = undefined

  /** False where the timer is registered already. `keyHash` is `hashKey(key)`. */
  add(key: unknown, namespace: Namespace, timeMs: number, keyHash: number): boolean {
    const bucket = this.#bucketOf(timeMs) ?? this.#makeBucket(Math.floor(timeMs / this.#widthMs))
    if (this.snapshotNumber !== 0) this.#preserve(bucket)
    if (!bucket.add(key, namespace, timeMs, hashOf(keyHash, namespace, timeMs))) return false
    this.size++
    return true
  }

  delete(key: unknown, namespace: Namespace, timeMs: number, keyHash: number): boolean {
    const bucket = this.#bucketOf(timeMs)
    if (bucket === undefined) return false
    if (this.snapshotNumber !== 0) this.#preserve(bucket)
    if (!bucket.delete(key, namespace, timeMs, hashOf(keyHash, namespace, timeMs))) return false
    this.size--
    return true
  }

  /** The earliest time, `Infinity` where there is none. */
  nextMs(): number {
    const bucket = this.#firstBucket()
    if (bucket === undefined) return Infinity
    // First, since opening a bucket may replace its arrays.
    const index = bucket.peek()
    return bucket.times[index]!
  }

  /** Takes the earliest timer out into `popped…` where its time is at most `untilMs`. */
  pop(untilMs: number): boolean {
    const bucket = this.#firstBucket()
    if (bucket === undefined) return false
    const index = bucket.peek()
    const timeMs = bucket.times[index]!
    if (timeMs > untilMs) return false
    if (this.snapshotNumber !== 0) this.#preserve(bucket)
    this.poppedKey = bucket.keys[index]
    this.poppedNamespace = bucket.namespaces[index]!
    this.poppedMs = timeMs
    bucket.kill(index)
    this.size--
    return true
  }

  /** The buckets as they are now; to be read while `beforeChange` is watched. */
  buckets(): TimerBucket[] {
    return [...this.#buckets.values()]
  }

  /** The first bucket that holds a timer; the empty ones before it are dropped. */
  #firstBucket(): TimerBucket | undefined {
    for (;;) {
      if (this.#ids.length === 0) return undefined
      const bucket = this.#buckets.get(this.#ids[0]!)!
      if (bucket.liveCount > 0) return bucket
      this.#buckets.delete(bucket.id)
      if (this.#last === bucket) this.#last = undefined
      this.#popId()
    }
  }

  #bucketOf(timeMs: number): TimerBucket | undefined {
    const id = Math.floor(timeMs / this.#widthMs)
    const last = this.#last
    if (last !== undefined && last.id === id) return last
    const found = this.#buckets.get(id)
    if (found !== undefined) this.#last = found
    return found
  }

  #makeBucket(id: number): TimerBucket {
    if (this.#buckets.size >= sparseBucketsMax && this.size < this.#buckets.size * entriesPerBucketMin) {
      const startMs = id * this.#widthMs
      this.#widen()
      const widened = Math.floor(startMs / this.#widthMs)
      return this.#buckets.get(widened) ?? this.#insertBucket(widened)
    }
    return this.#insertBucket(id)
  }

  #insertBucket(id: number): TimerBucket {
    const bucket = new TimerBucket(id, this.snapshotNumber)
    this.#buckets.set(id, bucket)
    this.#last = bucket
    this.#pushId(id)
    return bucket
  }

  /** Puts all timers into wider buckets. */
  #widen(): void {
    const old = this.buckets()
    if (this.snapshotNumber !== 0) for (const bucket of old) this.#preserve(bucket)
    this.#widthMs *= widening
    this.#buckets = new Map()
    this.#ids = []
    this.#last = undefined
    for (const { times, keys, namespaces } of old) {
      for (let i = 0; i < times.length; i++) {
        const timeMs = times[i]!
        if (timeMs !== timeMs) continue
        const bucket = this.#bucketOf(timeMs) ?? this.#insertBucket(Math.floor(timeMs / this.#widthMs))
        bucket.add(keys[i], namespaces[i]!, timeMs, hashOf(hashKey(keys[i]), namespaces[i]!, timeMs))
      }
    }
  }

  #preserve(bucket: TimerBucket): void {
    if (bucket.savedBy === this.snapshotNumber) return
    this.beforeChange(bucket)
    bucket.savedBy = this.snapshotNumber
  }

  #pushId(id: number): void {
    const ids = this.#ids
    let at = ids.length
    ids.push(id)
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (ids[parent]! <= id) break
      ids[at] = ids[parent]!
      at = parent
    }
    ids[at] = id
  }

  #popId(): void {
    const ids = this.#ids
    const id = ids.pop()!
    const count = ids.length
    if (count === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= count) break
      if (child + 1 < count && ids[child + 1]! < ids[child]!) child++
      if (ids[child]! >= id) break
      ids[at] = ids[child]!
      at = child
    }
    ids[at] = id
  }
}

function hashOf(keyHash: number, namespace: Namespace, timeMs: number): number {
  const namespaceHash = namespace === 0 ? 0 : hashKey(namespace)
  return mix32(keyHash ^ Math.imul(namespaceHash, 0x9e3779b1) ^ Math.imul(timeMs | 0, 0x85ebca77))
}
