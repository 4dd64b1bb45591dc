/**
 * Phase one of the exactly-once file sink, in one subtask. Slot's thread; files are written off it.
 *
 * Invariants
 * 1. What a checkpoint holds is durable before the checkpoint is acknowledged: sealed parts as committables, the parts
 *    still open by their lengths.
 * 2. On restore an open part is cut back to its length and goes on; parts begun after the checkpoint are removed where
 *    hidden, and hidden away (`superseded`) where a later checkpoint had published them. Parts of the checkpoint's own
 *    history that were hidden so since are shown again. What is visible follows from the checkpoint alone, so a restore
 *    that is broken off is made good by the next, from whichever checkpoint.
 * 3. Counts of parts only grow, over all subtasks and parallelisms: each starts beyond what any of them had used. So no
 *    name is used twice, and a part that is counted beyond a checkpoint was begun after it.
 * 4. A savepoint holds no open part, and its pending ones bear a name (`kept`) that a restore from an older checkpoint
 *    leaves alone: a job that goes on from there can be started from the savepoint afterwards.
 * 5. However many buckets there are, files that are open, bytes that wait and operations under way are limited. What grows
 *    is a small object for each open part.
 */
import type { FileSystem } from '../../common/file-system.ts'
import { parentOf } from '../../common/durable-file.ts'
import { MillraceError } from '../../common/errors.ts'
import { eachInLanes } from '../../common/lanes.ts'
import { Progress } from '../../common/progress.ts'
import type { OperatorContext } from '../../operators/operator.ts'
import type { ListState } from '../../state/keyed-state-backend.ts'
import type { SinkWriter } from '../sink.ts'
import { type BucketAssigner, checkBucket, noBuckets } from './bucket-assigner.ts'
import { InProgressPart, type PartPlace, type PartSurroundings, type RestoredPart } from './in-progress-part.ts'
import { OpenFiles } from './open-files.ts'
import type { PendingPart } from './part-committer.ts'
import { mergeRanges, type PartCount, PartHistory, type PartRange } from './part-history.ts'
import { parsePartName, type PartId, partName, type PartNaming } from './part-name.ts'
import type { ResolvedRollingPolicy } from './rolling-policy.ts'
import type { RowEncoder } from './row-encoder.ts'
import { syncLanes } from './sync-directories.ts'
import { sinkError } from './sink-error.ts'
import { walkDirectory } from './walk-directory.ts'

export interface ExactlyOnceOptions<T> {
  readonly fileSystem: FileSystem
  /** Absolute. */
  readonly directory: string
  readonly naming: PartNaming
  readonly encoder: RowEncoder<T>
  readonly buckets: BucketAssigner<T>
  readonly rolling: ResolvedRollingPolicy
  readonly openFilesMax: number
}

/** What a checkpoint holds of one subtask. */
export interface PartWriterState {
  readonly openParts: readonly {
    readonly bucket: string
    readonly id: PartId
    readonly bytes: number
    /** When its first record came; absent in checkpoints of earlier versions. */
    readonly createdMs?: number
  }[]
}

/** What one checkpoint publishes and makes durable. */
interface Prepared {
  /** Parts that stay open, or, for a savepoint, are to be sealed. */
  readonly open: readonly InProgressPart[]
  /** Sealings that have begun. */
  readonly begun: readonly Promise<void>[]
  readonly sealed: readonly PendingPart[]
  readonly changedNames: Set<string>
  readonly isSavepoint: boolean
}

/** Bytes under way to files before the writer says that it is full. */
const underWayBytesMax = 8 << 20
/** Operations under way, some of which wait for others, before the writer says that it is full. */
const operationsMax = 1024
/** What all parts together gather before they hand over, in turn, less than a chunk. */
const gatheredBytesMax = 32 << 20

export class ExactlyOnceWriter<T> implements SinkWriter<T, PendingPart, PartWriterState> {
  readonly #options: ExactlyOnceOptions<T>
  readonly #context: OperatorContext
  readonly #parts = new Map<string, InProgressPart>()
  readonly #surroundings: PartSurroundings
  readonly #files: OpenFiles
  /** Goes round through `#parts`: which part hands over next. */
  #turn: Iterator<InProgressPart> | undefined
  #gatheredBytes = 0
  #restored: readonly PartWriterState[] = []
  #last: InProgressPart | undefined
  #nextCount = 0
  #counts: ListState<PartCount> | undefined
  /** Parts on ways that the job has left: those that this subtask looks after, and those that it has copied. */
  #abandoned: readonly PartRange[] = []
  /** Parts closed since the last checkpoint, and the work of closing them. */
  #sealed: PendingPart[] = []
  #sealing: Promise<void>[] = []
  /** The checkpoints that are being prepared. */
  #preparing: Promise<unknown> = Promise.resolve()
  /** Directories with changed names that are not known to be durable. */
  #changedNames = new Set<string>()
  #operations = 0
  #underWayBytes = 0
  /** The task waits until less is under way. */
  #isAwaited = false
  #hold: { release(): void } | undefined
  #failure: MillraceError | undefined
  #isClosed = false

  constructor(options: ExactlyOnceOptions<T>, context: OperatorContext) {
    this.#options = options
    this.#context = context
    this.#files = new OpenFiles(options.openFilesMax, (path, error) => this.#fail(path, error))
    const listener = {
      begun: (bytes: number) => this.#begun(bytes),
      ended: (bytes: number) => this.#ended(bytes),
      failed: (path: string, error: unknown) => this.#fail(path, error),
    }
    this.#surroundings = { fileSystem: options.fileSystem, files: this.#files, listener }
  }

  restoreState(states: readonly PartWriterState[]): void {
    this.#restored = states
  }

  async open(): Promise<void> {
    try {
      await this.#clearAfterCheckpoint()
      for (const state of this.#restored) for (const part of state.openParts) await this.#resume(part)
    } catch (error) {
      throw sinkError(this.#options.directory, error)
    }
  }

  write(value: T, timestampMs: number): void {
    const { encoder, buckets, rolling } = this.#options
    let part = this.#last
    if (buckets !== noBuckets || part === undefined) part = this.#partFor(value, timestampMs)
    const gatheredBefore = part.gatheredBytes
    if (part.isEmpty) {
      const head = encoder.head(value)
      if (head !== undefined) part.add(head)
    }
    part.add(encoder.line(value))
    this.#gatheredBytes += part.gatheredBytes - gatheredBefore
    if (part.sizeSoFar >= rolling.bytesMax) this.#seal(part)
    while (this.#gatheredBytes > gatheredBytesMax) this.#handOver(this.#nextInTurn())
  }

  isFull(): boolean {
    const isFull = this.#underWayBytes >= underWayBytesMax || this.#operations >= operationsMax
    if (isFull) this.#isAwaited = true
    return isFull
  }

  flush(endOfInput: boolean): Progress {
    if (this.#failure !== undefined) throw this.#failure
    const nowMs = this.#context.clock.nowMs()
    for (const part of this.#parts.values()) {
      part.markActivity(nowMs)
      const isSealed = endOfInput || this.#isDue(part, nowMs)
      if (!isSealed && part.gatheredBytes === 0) continue
      if (this.#operations >= operationsMax) {
        this.#isAwaited = true
        return Progress.Blocked
      }
      if (isSealed) this.#seal(part)
      else this.#handOver(part)
    }
    return Progress.Done
  }

  prepareCommit(isSavepoint = false): Promise<readonly PendingPart[]> {
    const open = [...this.#parts.values()]
    if (isSavepoint) for (const part of open) this.#takeOut(part)
    const begun = this.#sealing
    const sealed = this.#sealed
    const changedNames = this.#changedNames
    this.#sealed = []
    this.#sealing = []
    this.#changedNames = new Set()
    const prepared = this.#makeDurable({ open, begun, sealed, changedNames, isSavepoint })
    this.#preparing = Promise.allSettled([this.#preparing, prepared])
    return prepared
  }

  snapshotState(): readonly PartWriterState[] {
    const openParts = [...this.#parts.values()].map(({ place, bytes, createdMs }) => ({
      bucket: place.bucket,
      id: place.id,
      bytes,
      createdMs,
    }))
    return [{ openParts }]
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const open = [...this.#parts.values()].map((part) => part.abandon())
    await Promise.allSettled([...open, ...this.#sealing, this.#preparing])
    await this.#files.closeAll()
    this.#hold?.release()
    this.#hold = undefined
  }

  async #makeDurable({ open, begun, sealed, changedNames, isSavepoint }: Prepared): Promise<readonly PendingPart[]> {
    const { directory } = this.#options
    try {
      const finish = isSavepoint ? (part: InProgressPart) => part.seal() : (part: InProgressPart) => part.sync()
      await Promise.all([...begun, this.#inLanes(open, finish)])
      await this.#syncNames(changedNames)
      if (this.#failure !== undefined) throw this.#failure
      return sealed
    } catch (error) {
      throw this.#failure ?? sinkError(directory, error)
    }
  }

  /** Where the writer is closed meanwhile nobody waits for the rest. */
  #inLanes<V>(items: Iterable<V>, act: (item: V) => Promise<unknown>): Promise<void> {
    return eachInLanes(items, syncLanes, async (item) => {
      if (this.#isClosed) throw new Error('the writer is closed')
      await act(item)
    })
  }

  /** Directories with changed names, and those that these lie in. */
  async #syncNames(changed: Set<string>): Promise<void> {
    const { fileSystem, directory } = this.#options
    const all = new Set<string>()
    for (const path of changed) {
      for (let name = path; name.length > directory.length && !all.has(name); name = parentOf(name)) all.add(name)
    }
    if (changed.size > 0) all.add(directory)
    await this.#inLanes(all, (path) => fileSystem.syncDirectory(path))
  }

  #isDue(part: InProgressPart, nowMs: number): boolean {
    const { onCheckpoint, intervalMs, inactivityMs } = this.#options.rolling
    return onCheckpoint || nowMs - part.createdMs >= intervalMs || nowMs - part.lastWriteMs >= inactivityMs
  }

  #partFor(value: T, timestampMs: number): InProgressPart {
    const processingTimeMs = this.#context.clock.nowMs()
    const watermarkMs = this.#context.currentWatermarkMs()
    const bucket = this.#options.buckets(value, { timestampMs, processingTimeMs, watermarkMs })
    let part = this.#parts.get(bucket)
    if (part === undefined) {
      part = this.#begin(this.#placeOf(checkBucket(bucket), this.#nextId()))
    }
    this.#last = part
    return part
  }

  #begin(place: PartPlace, restored?: RestoredPart): InProgressPart {
    const part = new InProgressPart(this.#surroundings, place, this.#context.clock.nowMs(), restored)
    this.#parts.set(place.bucket, part)
    if (restored === undefined) this.#changedNames.add(place.directory)
    return part
  }

  /** The next part that has gathered something. */
  #nextInTurn(): InProgressPart {
    for (;;) {
      this.#turn ??= this.#parts.values()
      const next = this.#turn.next()
      if (next.done === true) this.#turn = undefined
      else if (next.value.gatheredBytes > 0) return next.value
    }
  }

  #handOver(part: InProgressPart): void {
    this.#gatheredBytes -= part.gatheredBytes
    part.handOver()
  }

  #seal(part: InProgressPart): void {
    this.#takeOut(part)
    const sealing = part.seal()
    // Whoever waits for it sees the failure; nobody may wait for it any more where the task ends before.
    sealing.catch(() => {})
    this.#sealing.push(sealing)
  }

  /** From now on a pending part; to be sealed. */
  #takeOut(part: InProgressPart): void {
    const { directory, bucket, id } = part.place
    const { naming } = this.#options
    this.#handOver(part)
    this.#sealed.push({
      directory,
      hiddenName: partName(naming, id, 'inprogress'),
      name: partName(naming, id, 'published'),
      bytes: part.bytes,
    })
    this.#parts.delete(bucket)
    if (this.#last === part) this.#last = undefined
  }

  #placeOf(bucket: string, id: PartId): PartPlace {
    const { naming, directory: root } = this.#options
    const directory = bucket === '' ? root : `${root}/${bucket}`
    return { id, bucket, directory, hiddenPath: `${directory}/${partName(naming, id, 'inprogress')}` }
  }

  /** Goes on with an open part of the checkpoint. A bucket that has one already gets it as a finished one. */
  async #resume({ bucket, id, bytes, createdMs }: PartWriterState['openParts'][number]): Promise<void> {
    const { fileSystem } = this.#options
    let place = this.#placeOf(bucket, id)
    if ((await fileSystem.stat(place.hiddenPath)) === undefined) place = await this.#takeBack(place, bytes)
    const found = await fileSystem.stat(place.hiddenPath)
    if (found === undefined || found.bytes < bytes) {
      const message = `${place.hiddenPath} must hold ${bytes} bytes of the checkpoint, found ${found?.bytes ?? 'no file'}`
      // Starting again brings nothing back.
      throw new MillraceError('MR_CHECKPOINT_CORRUPT', message, { context: { file: place.hiddenPath } })
    }
    if (found.bytes > bytes) await fileSystem.truncate(place.hiddenPath, bytes)
    const before = this.#parts.get(bucket)
    if (before !== undefined) this.#seal(before)
    this.#begin(place, { bytes, createdMs })
  }

  /** Answers where the part goes on that a later checkpoint had published, or a later savepoint holds. */
  async #takeBack(place: PartPlace, bytes: number): Promise<PartPlace> {
    const { fileSystem, naming } = this.#options
    this.#changedNames.add(place.directory)
    const kept = `${place.directory}/${partName(naming, place.id, 'kept')}`
    if ((await fileSystem.stat(kept)) !== undefined) {
      const copy = this.#placeOf(place.bucket, this.#nextId())
      const content = await fileSystem.readFile(kept)
      const handle = await fileSystem.open(copy.hiddenPath, 'exclusive')
      try {
        await handle.write(content.subarray(0, bytes))
      } finally {
        await handle.close()
      }
      const { subtask, count } = place.id
      this.#abandon([{ subtask, from: count, to: count + 1 }])
      return copy
    }
    const published = `${place.directory}/${partName(naming, place.id, 'published')}`
    if ((await fileSystem.stat(published)) !== undefined) await fileSystem.rename(published, place.hiddenPath)
    return place
  }

  async #clearAfterCheckpoint(): Promise<void> {
    const { fileSystem, directory, naming } = this.#options
    const { subtaskIndex } = this.#context.task
    this.#counts = this.#context.operatorState.unionListState<PartCount>('part-counts')
    const history = new PartHistory([...this.#counts.get()])
    const { isRestored } = history
    const left = history.abandoned.filter(({ subtask }) => this.#looksAfter(subtask))
    let nextCount = history.countMax
    for (const { directory: place, name } of await walkDirectory(fileSystem, directory)) {
      const part = parsePartName(naming, name)
      if (part === undefined) continue
      const { subtask, count, stage } = part
      if (!isRestored && subtask !== subtaskIndex && stage !== 'kept') continue
      const isAfter = isRestored && history.isAfter(part)
      const isLeaving = isAfter && stage === 'inprogress'
      // A leaving is in no snapshot: what is counted beyond snapshots must not depend on whether it is still there.
      if (!isLeaving) nextCount = Math.max(nextCount, count + 1)
      if (!this.#looksAfter(subtask)) continue
      // A savepoint of an attempt that nothing was left of: if that is gone back to, they are not of this one's history.
      if (!isRestored && stage === 'kept') left.push({ subtask, from: count, to: count + 1 })
      if (!isRestored) continue
      if (isLeaving) await fileSystem.unlink(`${place}/${name}`)
      if (stage === 'inprogress') continue
      if (isAfter) left.push({ subtask, from: history.nextCountOf(subtask), to: count + 1 })
      else if (stage === 'superseded' && !history.tellsAbandoned) left.push({ subtask, from: count, to: count + 1 })
      if (stage !== 'kept') await this.#showOrHide(place, name, history)
    }
    this.#abandoned = mergeRanges(left)
    this.#countOn(nextCount)
  }

  /** Parts of another subtask that runs are its own business: it may be beginning new ones. */
  #looksAfter(subtask: number): boolean {
    const { subtaskIndex, parallelism } = this.#context.task
    return (subtask < parallelism ? subtask : subtask % parallelism) === subtaskIndex
  }

  /** Of a part that was published. */
  async #showOrHide(place: string, name: string, history: PartHistory): Promise<void> {
    const { fileSystem, naming } = this.#options
    const part = parsePartName(naming, name)!
    const isShown = history.has(part) && (part.stage === 'published' || history.tellsAbandoned)
    // An attempt before this one may have hidden it and failed before it had synced the name. What one may have shown
    // is shown again by any later, and synced when the job ends.
    if (!isShown || part.stage === 'superseded') this.#changedNames.add(place)
    const target = `${place}/${partName(naming, part, isShown ? 'published' : 'superseded')}`
    if (target === `${place}/${name}`) return
    try {
      await fileSystem.rename(`${place}/${name}`, target)
    } catch (error) {
      // The committer of whichever subtask it was dealt to shows pending ones at the same time.
      if (!isShown || (await fileSystem.stat(target)) === undefined) throw error
    }
  }

  #abandon(ranges: readonly PartRange[]): void {
    this.#abandoned = mergeRanges([...this.#abandoned, ...ranges])
    this.#countOn(this.#nextCount)
  }

  #nextId(): PartId {
    const id = { subtask: this.#context.task.subtaskIndex, count: this.#nextCount }
    this.#countOn(id.count + 1)
    return id
  }

  #countOn(nextCount: number): void {
    this.#nextCount = nextCount
    this.#counts!.update([{ subtask: this.#context.task.subtaskIndex, nextCount, abandoned: this.#abandoned }])
  }

  #begun(bytes: number): void {
    this.#operations++
    this.#underWayBytes += bytes
    if (!this.#isClosed) this.#hold ??= this.#context.holdAsync()
  }

  #ended(bytes: number): void {
    this.#operations--
    this.#underWayBytes -= bytes
    if (this.#isClosed) return
    if (this.#isAwaited && this.#underWayBytes < underWayBytesMax && this.#operations <= operationsMax / 2) {
      this.#isAwaited = false
      this.#context.post(() => {})
    }
    if (this.#operations > 0) return
    this.#hold?.release()
    this.#hold = undefined
  }

  #fail(path: string, error: unknown): void {
    if (this.#failure !== undefined || this.#isClosed) return
    const failure = sinkError(path, error)
    this.#failure = failure
    this.#context.post(() => {
      throw failure
    })
  }
}
