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
import { ColumnPool } from './timer-columns.ts'

const initialWidthMs = 256
/**
 * With more buckets than this, buckets shall hold `entriesPerBucketMin` timers on average: the ends of few large buckets
 * stay in the processor's cache, where timers of any time are added.
 */
const sparseBucketsMax = 256
const entriesPerBucketMin = 2048
const wideningMax = 2 ** 40

/** Of a place in a log: time, hash, key and namespace, and its share of the order when it is due. */
const bytesPerTimer = 32
/** Changes after which the queue's size is looked at. */
const changesPerCharge = 1024

/** Timers registered lately, so that one registered with every record is not logged every time. A power of two. */
const recentEntries = 16_384
/** Where fewer than one in so many registrations meets itself there, looking costs more than it saves (sessions: 4 %). */
const missesPerHit = 8
const registrationsToJudge = 4_096
/** Registrations after that until it is tried again. */
const registrationsUntried = 65_536

export class TimerQueue {
  /** What `pop` has taken out. */
  poppedKey: unknown = undefined
  poppedNamespace: Namespace = 0
  poppedMs = 0
  /** Of what `dueKeys` has found. */
  dueNamespace: Namespace = 0
  /** Number of the snapshot under way, 0 where there is none. */
  snapshotNumber = 0
  /** Called before the first change of a bucket while a snapshot is under way. */
  beforeChange: (bucket: TimerBucket) => void = () => {}
  readonly #charge: (bytes: number) => void
  readonly #pool = new ColumnPool()
  #chargedBytes = 0
  #changesLeft = changesPerCharge
  #widthMs = initialWidthMs
  #buckets: Map<number, TimerBucket> = new Map()
  #ids: number[] = []
  #last: TimerBucket | undefined = undefined
  /** The first bucket, where it is known and not empty. */
  #first: TimerBucket | undefined = undefined
  /** Timers logged so far, and at which count to look again whether buckets are sparse. */
  #addedCount = 0
  #sparseCheckAt = 0
  /** By hash: [hash, bucket's serial, index in its log]. */
  #recent: Int32Array | undefined = undefined
  #recentHits = 0
  /** Until it is asked whether looking for recent timers pays, or until it is tried again; both count down. */
  #judgeLeft = registrationsToJudge
  #untriedLeft = 0

  /** `charge` is told of so many bytes more, or fewer, now and then; it may refuse more by throwing. */
  constructor(charge: (bytes: number) => void = () => {}) {
    this.#charge = charge
  }

  /** Number of timers. Settles all buckets: for tests and metrics. */
  get size(): number {
    let size = 0
    for (const bucket of this.#buckets.values()) size += bucket.liveCount()
    return size
  }

  /** True where there is certainly no timer. */
  get isEmpty(): boolean {
    return this.#ids.length === 0
  }

  /** Nothing happens where the timer is registered already. `keyHash` is `hashKey(key)`. */
  add(key: unknown, namespace: Namespace, timeMs: number, keyHash: number): void {
    const bucket = this.#bucketOf(timeMs) ?? this.#makeBucket(Math.floor(timeMs / this.#widthMs))
    if (this.snapshotNumber !== 0) this.#preserve(bucket)
    const hash = hashOf(keyHash, namespace, timeMs)
    if (bucket.isOpen) return bucket.add(key, namespace, timeMs, hash)
    if (this.#untriedLeft > 0) {
      this.#untriedLeft--
      bucket.append(key, namespace, timeMs, hash)
    } else if (!this.#appendUnlessRecent(bucket, key, namespace, timeMs, hash)) return
    this.#addedCount++
    if (--this.#changesLeft === 0) this.#chargeAnew()
  }

  /** Nothing happens where the timer is not registered. */
  delete(key: unknown, namespace: Namespace, timeMs: number, keyHash: number): void {
    const bucket = this.#bucketOf(timeMs)
    if (bucket === undefined) return
    if (this.snapshotNumber !== 0) this.#preserve(bucket)
    const hash = hashOf(keyHash, namespace, timeMs)
    if (bucket.isOpen) return bucket.delete(key, namespace, timeMs, hash)
    if (this.#recent !== undefined) this.#recent[(hash & (recentEntries - 1)) * 3 + 1] = 0
    bucket.appendDeletion(key, namespace, timeMs, hash)
  }

  /** The earliest time, `Infinity` where there is none. */
  nextMs(): number {
    const bucket = this.#firstBucket()
    if (bucket === undefined) return Infinity
    // First, since opening a bucket may replace its arrays.
    const index = bucket.peek()
    return bucket.columns.times[index]!
  }

  /** Takes the earliest timer out into `popped…` where its time is at most `untilMs`. */
  pop(untilMs: number): boolean {
    const bucket = this.#firstBucket()
    if (bucket === undefined) return false
    const index = bucket.peek()
    const { times, keys, namespaces } = bucket.columns
    const timeMs = times[index]!
    if (timeMs > untilMs) return false
    if (this.snapshotNumber !== 0) this.#preserve(bucket)
    this.poppedKey = keys[index]
    this.poppedNamespace = namespaces[index]!
    this.poppedMs = timeMs
    bucket.kill(index)
    return true
  }

  /**
   * Keys that `pop` is about to take out, all under the first one's namespace (then in `dueNamespace`), as far as they are
   * in order already and there is room; how many.
   */
  dueKeys(untilMs: number, keys: unknown[]): number {
    const bucket = this.#firstBucket()
    if (bucket === undefined) return 0
    this.dueNamespace = bucket.columns.namespaces[bucket.peek()]!
    return bucket.dueKeys(untilMs, this.dueNamespace, keys)
  }

  /** The buckets as they are now; to be read while `beforeChange` is watched. */
  buckets(): TimerBucket[] {
    return [...this.#buckets.values()]
  }

  /** False where the timer is there, as far as that is known without looking through the log. */
  #appendUnlessRecent(bucket: TimerBucket, key: unknown, namespace: Namespace, timeMs: number, hash: number): boolean {
    if (--this.#judgeLeft === 0) this.#judge()
    const recent = (this.#recent ??= new Int32Array(recentEntries * 3))
    const at = (hash & (recentEntries - 1)) * 3
    if (recent[at] === hash && recent[at + 1] === bucket.serial) {
      if (bucket.isAt(recent[at + 2]!, key, namespace, timeMs)) {
        this.#recentHits++
        return false
      }
    }
    recent[at] = hash
    recent[at + 1] = bucket.serial
    recent[at + 2] = bucket.append(key, namespace, timeMs, hash)
    return true
  }

  #judge(): void {
    if (this.#recentHits * missesPerHit < registrationsToJudge) this.#untriedLeft = registrationsUntried
    this.#judgeLeft = registrationsToJudge
    this.#recentHits = 0
  }

  /** The first bucket that holds a timer; the empty ones before it are dropped. */
  #firstBucket(): TimerBucket | undefined {
    if (this.#first !== undefined && this.#first.peek() >= 0) return this.#first
    for (;;) {
      this.#first = undefined
      if (this.#ids.length === 0) return undefined
      const bucket = this.#buckets.get(this.#ids[0]!)!
      if (bucket.peek() >= 0) return (this.#first = bucket)
      this.#buckets.delete(bucket.id)
      this.#pool.give(bucket.columns)
      if (this.#chargedBytes > 0) this.#chargeAnew()
      if (this.#last === bucket) this.#last = undefined
      this.#popId()
    }
  }

  #chargeAnew(): void {
    this.#changesLeft = changesPerCharge
    let entries = 0
    for (const { columns } of this.#buckets.values()) entries += columns.capacity
    const bytes = entries * bytesPerTimer
    this.#charge(bytes - this.#chargedBytes)
    this.#chargedBytes = bytes
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
    if (this.#isSparse()) {
      const startMs = id * this.#widthMs
      this.#widen()
      const widened = Math.floor(startMs / this.#widthMs)
      return this.#buckets.get(widened) ?? this.#insertBucket(widened)
    }
    return this.#insertBucket(id)
  }

  #isSparse(): boolean {
    const buckets = this.#buckets.size
    if (buckets < sparseBucketsMax || this.#addedCount < this.#sparseCheckAt) return false
    this.#sparseCheckAt = this.#addedCount + buckets
    let entries = 0
    for (const { count } of this.#buckets.values()) entries += count
    return entries < buckets * entriesPerBucketMin
  }

  #insertBucket(id: number): TimerBucket {
    const bucket = new TimerBucket(id, this.snapshotNumber, this.#pool.take())
    this.#buckets.set(id, bucket)
    this.#last = bucket
    this.#first = undefined
    this.#pushId(id)
    return bucket
  }

  /** Puts all timers into wider buckets. */
  #widen(): void {
    const old = this.buckets()
    if (this.snapshotNumber !== 0) for (const bucket of old) this.#preserve(bucket)
    this.#widthMs *= wideningFor(this.#ids)
    this.#buckets = new Map()
    this.#ids = []
    this.#last = undefined
    this.#first = undefined
    for (const bucket of old) {
      bucket.settle()
      const { times, keys, namespaces } = bucket.columns
      for (let i = 0; i < bucket.count; i++) {
        const timeMs = times[i]!
        if (timeMs !== timeMs) continue
        const wider = this.#bucketOf(timeMs) ?? this.#insertBucket(Math.floor(timeMs / this.#widthMs))
        wider.append(keys[i], namespaces[i]!, timeMs, hashOf(hashKey(keys[i]), namespaces[i]!, timeMs))
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

/** By how much wider buckets would be fewer than half of what is too many; times may lie far apart. */
function wideningFor(ids: readonly number[]): number {
  let widening = 4
  for (;;) {
    const wider = new Set<number>()
    for (const id of ids) wider.add(Math.floor(id / widening))
    if (wider.size * 2 <= sparseBucketsMax || !(widening < wideningMax)) return widening
    widening *= 4
  }
}

function hashOf(keyHash: number, namespace: Namespace, timeMs: number): number {
  const namespaceHash = namespace === 0 ? 0 : hashKey(namespace)
  return mix32(keyHash ^ Math.imul(namespaceHash, 0x9e3779b1) ^ Math.imul(timeMs | 0, 0x85ebca77))
}
