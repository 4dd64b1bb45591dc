/**
 * Phase one of the exactly-once file sink, in one subtask. Slot's thread; files are written off it.
 *
 * Invariants
 * 1. What a checkpoint holds is durable before the checkpoint is acknowledged: sealed parts as committables, the parts
 *    still open by their lengths.
 * 2. On restore an open part is cut back to its length and goes on; parts begun after the checkpoint are removed where
 *    hidden, and hidden away (`superseded`) where a later checkpoint had published them.
 * 3. Counts of parts only grow, over all subtasks and parallelisms: each starts beyond what any of them had used. So no
 *    name is used twice, and a part that is counted beyond a checkpoint was begun after it.
 * 4. A savepoint holds no open part, and its pending ones bear a name (`kept`) that a restore from an older checkpoint
 *    leaves alone: a job that goes on from there can be started from the savepoint afterwards.
 */
import type { FileSystem } from '../../common/file-system.ts'
import { parentOf } from '../../common/durable-file.ts'
import { MillraceError } from '../../common/errors.ts'
import { Progress } from '../../common/progress.ts'
import type { OperatorContext } from '../../operators/operator.ts'
import type { ListState } from '../../state/keyed-state-backend.ts'
import type { SinkWriter } from '../sink.ts'
import { type BucketAssigner, checkBucket, noBuckets } from './bucket-assigner.ts'
import { InProgressPart, type PartListener, type PartPlace, type RestoredPart } from './in-progress-part.ts'
import type { PendingPart } from './part-committer.ts'
import { parsePartName, type PartId, partName, type PartNaming } from './part-name.ts'
import type { ResolvedRollingPolicy } from './rolling-policy.ts'
import type { RowEncoder } from './row-encoder.ts'
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

/** What every subtask knows of all of them. */
interface PartCount {
  readonly subtask: number
  /** Count of the next part. */
  readonly nextCount: number
}

/** Bytes under way to files before the writer says that it is full. */
const underWayBytesMax = 8 << 20

export class ExactlyOnceWriter<T> implements SinkWriter<T, PendingPart, PartWriterState> {
  readonly #options: ExactlyOnceOptions<T>
  readonly #context: OperatorContext
  readonly #parts = new Map<string, InProgressPart>()
  readonly #listener: PartListener
  #restored: readonly PartWriterState[] = []
  #last: InProgressPart | undefined
  #nextCount = 0
  #counts: ListState<PartCount> | undefined
  /** Parts closed since the last checkpoint, and the work of closing them. */
  #sealed: PendingPart[] = []
  #sealing: Promise<void>[] = []
  /** Directories with changed names that are not known to be durable. */
  #changedNames = new Set<string>()
  #operations = 0
  #underWayBytes = 0
  #hold: { release(): void } | undefined
  #failure: MillraceError | undefined
  #isClosed = false

  constructor(options: ExactlyOnceOptions<T>, context: OperatorContext) {
    this.#options = options
    this.#context = context
    this.#listener = {
      begun: (bytes) => this.#begun(bytes),
      ended: (bytes) => this.#ended(bytes),
      failed: (path, error) => this.#fail(path, error),
    }
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
    if (part.isEmpty) {
      const head = encoder.head(value)
      if (head !== undefined) part.add(head)
    }
    part.add(encoder.line(value))
    if (part.sizeSoFar >= rolling.bytesMax) this.#seal(part)
  }

  isFull(): boolean {
    return this.#underWayBytes >= underWayBytesMax
  }

  flush(endOfInput: boolean): Progress {
    if (this.#failure !== undefined) throw this.#failure
    const nowMs = this.#context.clock.nowMs()
    for (const part of this.#parts.values()) {
      part.markActivity(nowMs)
      if (endOfInput || this.#isDue(part, nowMs)) this.#seal(part)
      else part.handOver()
    }
    return Progress.Done
  }

  prepareCommit(isSavepoint = false): Promise<readonly PendingPart[]> {
    if (isSavepoint) for (const part of this.#parts.values()) this.#seal(part)
    const sealed = this.#sealed
    const work = [...this.#sealing, ...[...this.#parts.values()].map((part) => part.sync())]
    const changedNames = this.#changedNames
    this.#sealed = []
    this.#sealing = []
    this.#changedNames = new Set()
    return this.#makeDurable(sealed, work, changedNames, isSavepoint)
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
    await Promise.allSettled([...[...this.#parts.values()].map((part) => part.abandon()), ...this.#sealing])
    this.#hold?.release()
    this.#hold = undefined
  }

  async #makeDurable(
    sealed: readonly PendingPart[],
    work: readonly Promise<void>[],
    changedNames: Set<string>,
    isSavepoint: boolean,
  ): Promise<readonly PendingPart[]> {
    const { fileSystem, directory } = this.#options
    try {
      await Promise.all(work)
      if (isSavepoint) for (const part of sealed) changedNames.add(part.directory)
      const pending = isSavepoint ? await Promise.all(sealed.map((part) => this.#keep(part))) : sealed
      for (const path of changedNames) {
        for (let name = path; name.length > directory.length; name = parentOf(name))
          await fileSystem.syncDirectory(name)
      }
      if (changedNames.size > 0) await fileSystem.syncDirectory(directory)
      return pending
    } catch (error) {
      throw this.#failure ?? sinkError(directory, error)
    }
  }

  /** Gives a pending part the name under which a savepoint finds it. */
  async #keep(part: PendingPart): Promise<PendingPart> {
    const { fileSystem, naming } = this.#options
    const hiddenName = partName(naming, parsePartName(naming, part.name)!, 'kept')
    await fileSystem.rename(`${part.directory}/${part.hiddenName}`, `${part.directory}/${hiddenName}`)
    return { ...part, hiddenName }
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
    const { fileSystem } = this.#options
    const part = new InProgressPart(fileSystem, place, this.#context.clock.nowMs(), this.#listener, restored)
    this.#parts.set(place.bucket, part)
    if (restored === undefined) this.#changedNames.add(place.directory)
    return part
  }

  #seal(part: InProgressPart): void {
    const { directory, bucket, id } = part.place
    const { naming } = this.#options
    const sealing = part.seal()
    this.#sealed.push({
      directory,
      hiddenName: partName(naming, id, 'inprogress'),
      name: partName(naming, id, 'published'),
      bytes: part.bytes,
    })
    // Whoever waits for it sees the failure; nobody may wait for it any more where the task ends before.
    sealing.catch(() => {})
    this.#sealing.push(sealing)
    this.#parts.delete(bucket)
    if (this.#last === part) this.#last = undefined
  }

  #placeOf(bucket: string, id: PartId): PartPlace {
    const { naming, directory: root } = this.#options
    const directory = bucket === '' ? root : `${root}/${bucket}`
    const hiddenPath = `${directory}/${partName(naming, id, 'inprogress')}`
    return { id, bucket, directory, hiddenPath, path: `${directory}/${partName(naming, id, 'published')}` }
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
      return copy
    }
    if ((await fileSystem.stat(place.path)) !== undefined) await fileSystem.rename(place.path, place.hiddenPath)
    return place
  }

  async #clearAfterCheckpoint(): Promise<void> {
    const { fileSystem, directory, naming } = this.#options
    const { subtaskIndex, parallelism } = this.#context.task
    this.#counts = this.#context.operatorState.unionListState<PartCount>('part-counts')
    const atCheckpoint = new Map(Array.from(this.#counts.get(), ({ subtask, nextCount }) => [subtask, nextCount]))
    const isRestored = atCheckpoint.size > 0
    const countMax = Math.max(0, ...atCheckpoint.values())
    let nextCount = countMax
    for (const { directory: place, name } of await walkDirectory(fileSystem, directory)) {
      const part = parsePartName(naming, name)
      if (part === undefined) continue
      if (!isRestored && part.subtask !== subtaskIndex && part.stage !== 'kept') continue
      const isAfter = isRestored && part.count >= (atCheckpoint.get(part.subtask) ?? countMax)
      const isLeaving = isAfter && part.stage === 'inprogress'
      // A leaving is in no snapshot: what is counted beyond snapshots must not depend on whether it is still there.
      if (!isLeaving) nextCount = Math.max(nextCount, part.count + 1)
      // Parts of another subtask that runs are its own business: it may be beginning new ones.
      const isOurs = (part.subtask < parallelism ? part.subtask : part.subtask % parallelism) === subtaskIndex
      if (isOurs && isLeaving) await fileSystem.unlink(`${place}/${name}`)
      else if (isOurs && isAfter && part.stage === 'published') {
        await fileSystem.rename(`${place}/${name}`, `${place}/${partName(naming, part, 'superseded')}`)
        this.#changedNames.add(place)
      }
    }
    this.#countOn(nextCount)
  }

  #nextId(): PartId {
    const id = { subtask: this.#context.task.subtaskIndex, count: this.#nextCount }
    this.#countOn(id.count + 1)
    return id
  }

  #countOn(nextCount: number): void {
    this.#nextCount = nextCount
    this.#counts!.update([{ subtask: this.#context.task.subtaskIndex, nextCount }])
  }

  #begun(bytes: number): void {
    this.#operations++
    this.#underWayBytes += bytes
    if (!this.#isClosed) this.#hold ??= this.#context.holdAsync()
  }

  #ended(bytes: number): void {
    const wasFull = this.isFull()
    this.#operations--
    this.#underWayBytes -= bytes
    if (this.#isClosed) return
    if (wasFull && !this.isFull()) this.#context.post(() => {})
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
