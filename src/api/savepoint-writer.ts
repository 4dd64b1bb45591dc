/**
 * Writes a savepoint from a program: state made out of data, and operators of another savepoint kept, removed or renamed
 * (Flink's State Processor API). Cold; in the caller's thread.
 */
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { checkpointDirectory, sharedDirectory } from '../checkpoint/checkpoint-layout.ts'
import {
  type CheckpointMetadata,
  checkpointFormatVersion,
  type EdgeMetadata,
  type OperatorMetadata,
  type OperatorSnapshot,
} from '../checkpoint/checkpoint-metadata.ts'
import { importSavepoint, writeSavepoint } from '../checkpoint/savepoint.ts'
import { openSnapshotSink } from '../checkpoint/snapshot-files.ts'
import { systemClock } from '../common/clock.ts'
import { MillraceError } from '../common/errors.ts'
import { localPath } from '../common/local-path.ts'
import { nodeFileSystem } from '../common/file-system.ts'
import { maxParallelismDefault, maxParallelismMax } from '../common/limits.ts'
import type { TypeInformation } from '../data/types.ts'
import { type KeyedStateStore, keyedStateStore } from '../operators/runtime-context.ts'
import { createKeyedStateBackend } from '../state/create-keyed-state-backend.ts'
import { HeapOperatorState } from '../state/heap-operator-state.ts'
import type { OperatorStateStore } from '../state/operator-state.ts'
import type { SnapshotSink } from '../state/snapshot-store.ts'
import { type OperatorIdentifier, operatorIdOf } from './savepoint-reader.ts'

/** Makes keyed state: the states of `open` are those of the key of the record at hand. */
export interface KeyedStateBootstrapFunction<T> {
  open(state: KeyedStateStore): void
  processElement(value: T): void
}

/** Makes operator state: lists and broadcast maps. */
export interface StateBootstrapFunction<T> {
  open(state: OperatorStateStore): void
  processElement(value: T): void
}

/** The state of one operator, made when the savepoint is written. */
export interface StateTransformation {
  /** @internal */
  snapshot(sink: SnapshotSink, maxParallelism: number): Promise<OperatorSnapshot>
}

type Data<T> = Iterable<T> | AsyncIterable<T>

/** Data that state is made of. */
export interface StateBootstrap<T> {
  /** Keyed state; the key must be what the job's `keyBy` gives. */
  keyBy<Key>(
    selector: (value: T) => Key,
    keyType?: TypeInformation<Key>,
  ): { transform(bootstrap: KeyedStateBootstrapFunction<T>): StateTransformation }
  /** Operator state. */
  transform(bootstrap: StateBootstrapFunction<T>): StateTransformation
}

/**
 * Begins a state from data.
 * @example
 * let sum: ValueState<number>
 * const sums = bootstrapState([{ key: 'a', sum: 3 }]).keyBy((one) => one.key).transform({
 *   open: (state) => void (sum = state.getState(valueState('sum', types.float64()))),
 *   processElement: (one) => sum.update(one.sum),
 * })
 */
export function bootstrapState<T>(data: Data<T>): StateBootstrap<T> {
  return {
    keyBy: (selector, keyType) => ({
      transform: (bootstrap) => ({
        snapshot: (sink, maxParallelism) => keyedSnapshot(data, selector, keyType, bootstrap, { sink, maxParallelism }),
      }),
    }),
    transform: (bootstrap) => ({ snapshot: () => operatorSnapshot(data, bootstrap) }),
  }
}

/**
 * A savepoint to be written. Errors: MR_CHECKPOINT_FAILED, and those of reading the savepoint that it begins from.
 * @example
 * await SavepointWriter.fromExistingSavepoint('savepoints/savepoint-7-1-c0a8f43a')
 *   .changeOperatorIdentifier('old-uid', 'new-uid')
 *   .write('savepoints/renamed')
 */
export class SavepointWriter {
  readonly #existing: string | undefined
  readonly #maxParallelism: number
  readonly #made = new Map<string, { readonly uid: string | undefined; readonly state: StateTransformation }>()
  readonly #removed = new Set<string>()
  readonly #renamed = new Map<string, OperatorIdentifier>()

  /** Begins with nothing. `maxParallelism` must be that of the job's operators; default 128. */
  static newSavepoint(maxParallelism: number = maxParallelismDefault): SavepointWriter {
    return new SavepointWriter(undefined, maxParallelism)
  }

  /** Begins with all that another savepoint (or checkpoint) holds, which stays as it is. */
  static fromExistingSavepoint(path: string, maxParallelism: number = maxParallelismDefault): SavepointWriter {
    return new SavepointWriter(resolve(localPath(path, 'the savepoint')), maxParallelism)
  }

  private constructor(existing: string | undefined, maxParallelism: number) {
    if (!Number.isSafeInteger(maxParallelism) || maxParallelism < 1 || maxParallelism > maxParallelismMax) {
      throw new MillraceError(
        'MR_PLAN_PARALLELISM',
        `maxParallelism must be a whole number between 1 and ${maxParallelismMax}, got ${maxParallelism}`,
      )
    }
    this.#existing = existing
    this.#maxParallelism = maxParallelism
  }

  /** Adds the state of an operator, in place of what the savepoint held of it. */
  withOperator(operator: OperatorIdentifier, state: StateTransformation): this {
    this.#made.set(operatorIdOf(operator), { uid: typeof operator === 'string' ? operator : undefined, state })
    return this
  }

  removeOperator(operator: OperatorIdentifier): this {
    this.#removed.add(operatorIdOf(operator))
    return this
  }

  /** The state of `from` becomes that of `to`: for an operator whose uid has changed, or that is given one. */
  changeOperatorIdentifier(from: OperatorIdentifier, to: OperatorIdentifier): this {
    this.#renamed.set(operatorIdOf(from), to)
    return this
  }

  /** Writes the savepoint at `path`, which must not exist; a crash leaves nothing that looks like one. */
  async write(path: string): Promise<void> {
    const target = resolve(localPath(path, 'the savepoint'))
    const work = `${target}.tmp-${process.pid}`
    try {
      await nodeFileSystem.makeDirectory(checkpointDirectory(work, writtenId))
      await nodeFileSystem.makeDirectory(sharedDirectory(work))
      const before = this.#existing === undefined ? undefined : await this.#import(this.#existing, work)
      const operators = [...this.#kept(before), ...(await this.#makeStates(work))]
      const edges = this.#keptEdges(before)
      await writeSavepoint(nodeFileSystem, { ...(before ?? emptyMetadata()), operators, edges }, work, target)
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }

  async #import(path: string, work: string): Promise<CheckpointMetadata> {
    const metadata = await importSavepoint(nodeFileSystem, path, work, { epoch: 0, checkpointId: writtenId })
    return { ...metadata, kind: 'savepoint' }
  }

  /** What stays of the savepoint that this one begins from, under its new names. */
  #kept(before: CheckpointMetadata | undefined): OperatorMetadata[] {
    const held = new Set(before?.operators.map(({ operatorId }) => operatorId))
    for (const operatorId of [...this.#removed, ...this.#renamed.keys()]) {
      if (held.has(operatorId)) continue
      throw new MillraceError('MR_CHECKPOINT_NOT_FOUND', `the savepoint holds no operator ${operatorId}`)
    }
    return (before?.operators ?? []).flatMap((operator) => {
      if (this.#removed.has(operator.operatorId)) return []
      const renamed = this.#renamed.get(operator.operatorId)
      const operatorId = renamed === undefined ? operator.operatorId : operatorIdOf(renamed)
      if (this.#made.has(operatorId)) return []
      const uid = renamed === undefined ? operator.uid : typeof renamed === 'string' ? renamed : undefined
      return [{ ...operator, operatorId, uid }]
    })
  }

  /** What was in flight between operators, under their new names; to those that are removed, nothing. */
  #keptEdges(before: CheckpointMetadata | undefined): EdgeMetadata[] {
    const idOf = (operatorId: string): string => {
      const renamed = this.#renamed.get(operatorId)
      return renamed === undefined ? operatorId : operatorIdOf(renamed)
    }
    return (before?.edges ?? [])
      .filter(({ targetOperatorId }) => !this.#removed.has(targetOperatorId))
      .map((edge) => ({
        ...edge,
        sourceOperatorId: idOf(edge.sourceOperatorId),
        targetOperatorId: idOf(edge.targetOperatorId),
      }))
  }

  async #makeStates(work: string): Promise<OperatorMetadata[]> {
    const made: OperatorMetadata[] = []
    for (const [operatorId, { uid, state }] of this.#made) {
      const owner = { epoch: 0, checkpointId: writtenId, operatorId, subtaskIndex: 0 }
      const sink = openSnapshotSink({ directory: work, fileSystem: nodeFileSystem, ...owner })
      const maxParallelism = this.#maxParallelism
      const snapshot = await state.snapshot(sink, maxParallelism)
      const name = uid ?? operatorId
      made.push({ operatorId, name, uid, parallelism: 1, maxParallelism, subtasks: [snapshot], ended: [false] })
    }
    return made
  }
}

/** Of files that are written here; they get the names of the savepoint afterwards. */
const writtenId = 1

function emptyMetadata(): CheckpointMetadata {
  return {
    formatVersion: checkpointFormatVersion,
    checkpointId: writtenId,
    kind: 'savepoint',
    mode: 'aligned',
    triggeredMs: systemClock.nowMs(),
    jobName: 'state processor',
    jobId: '0'.repeat(32),
    fingerprint: '',
    operators: [],
    edges: [],
  }
}

async function keyedSnapshot<T, Key>(
  data: Data<T>,
  selector: (value: T) => Key,
  keyType: TypeInformation<Key> | undefined,
  bootstrap: KeyedStateBootstrapFunction<T>,
  { sink, maxParallelism }: { readonly sink: SnapshotSink; readonly maxParallelism: number },
): Promise<OperatorSnapshot> {
  const keyGroupRange = { first: 0, last: maxParallelism - 1 }
  const backend = createKeyedStateBackend('managed', { keyGroupRange, maxParallelism, keyType })
  try {
    bootstrap.open(keyedStateStore(() => backend))
    for await (const value of data) {
      backend.setCurrentKey(selector(value))
      bootstrap.processElement(value)
    }
    return { keyed: [await backend.snapshot(writtenId, sink, { isSavepoint: true })] }
  } finally {
    await backend.close()
  }
}

async function operatorSnapshot<T>(data: Data<T>, bootstrap: StateBootstrapFunction<T>): Promise<OperatorSnapshot> {
  const state = new HeapOperatorState()
  bootstrap.open(state)
  for await (const value of data) bootstrap.processElement(value)
  return { operatorState: state.snapshot() }
}
