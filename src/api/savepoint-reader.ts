/**
 * Reads the state in a savepoint or checkpoint from a program, without running its job (Flink's State Processor API).
 * Cold; one subtask's state at a time is in memory.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { OperatorMetadata, OperatorSnapshot } from '../checkpoint/checkpoint-metadata.ts'
import { type CompletedCheckpoint, readSavepoint } from '../checkpoint/savepoint.ts'
import { openSnapshotSource } from '../checkpoint/snapshot-files.ts'
import { MillraceError } from '../common/errors.ts'
import { localPath } from '../common/local-path.ts'
import { nodeFileSystem } from '../common/file-system.ts'
import { keyGroupRangeOf } from '../data/key-groups.ts'
import type { TypeInformation } from '../data/types.ts'
import { type KeyedStateStore, keyedStateStore } from '../operators/runtime-context.ts'
import { digest } from '../plan/operator-id.ts'
import { createKeyedStateBackend } from '../state/create-keyed-state-backend.ts'
import { HeapOperatorState } from '../state/heap-operator-state.ts'
import type { KeyedStateBackend, KeyedStateHandle } from '../state/keyed-state-backend.ts'
import type { OperatorStateSnapshot } from '../state/operator-state.ts'
import { toMapKey } from '../state/primitives/user-map-key.ts'

/** An operator of a savepoint: by its uid, or by its 32 hex digits where it has none. */
export type OperatorIdentifier = string | { readonly operatorId: string }

/** Reads keyed state key by key. Declare in `open` every state that shall be found: keys are those that have any of them. */
export interface KeyedStateReaderFunction<Key, Out> {
  open(state: KeyedStateStore): void
  /** Called once per key; the states of `open` are those of this key. */
  readKey(key: Key, out: (value: Out) => void): void
}

/** What a savepoint holds of one operator. */
export interface SavepointOperator {
  readonly operatorId: string
  readonly uid: string | undefined
  readonly name: string
  readonly parallelism: number
  readonly maxParallelism: number
}

/**
 * A savepoint or checkpoint on disk. Errors: MR_CHECKPOINT_NOT_FOUND (also for an operator that it does not hold),
 * MR_CHECKPOINT_CORRUPT, MR_STATE_CONFLICT.
 * @example
 * const savepoint = await SavepointReader.read('savepoints/savepoint-7-1-c0a8f43a')
 * const offsets = await savepoint.readListState<number>('my-operator', 'offsets')
 */
export class SavepointReader {
  readonly #checkpoint: CompletedCheckpoint

  /** `path`: a savepoint, or a checkpoint of a job directory (`…/checkpoints/chk-N`). */
  static async read(path: string): Promise<SavepointReader> {
    return new SavepointReader(await readSavepoint(nodeFileSystem, resolve(localPath(path, 'the savepoint'))))
  }

  private constructor(checkpoint: CompletedCheckpoint) {
    this.#checkpoint = checkpoint
  }

  /** The operators that it knows. */
  operators(): readonly SavepointOperator[] {
    return this.#checkpoint.metadata.operators.map(({ operatorId, uid, name, parallelism, maxParallelism }) => {
      return { operatorId, uid, name, parallelism, maxParallelism }
    })
  }

  /** The items of a list state, over all subtasks. */
  async readListState<T>(operator: OperatorIdentifier, name: string, type?: TypeInformation<T>): Promise<T[]> {
    const parts = this.#operatorStates(operator, name, 'split')
    return parts.flatMap((part) => [...part.listState(name, type).get()])
  }

  /** The items of a union list state, over all subtasks. */
  async readUnionState<T>(operator: OperatorIdentifier, name: string, type?: TypeInformation<T>): Promise<T[]> {
    const parts = this.#operatorStates(operator, name, 'union')
    return parts.flatMap((part) => [...part.unionListState(name, type).get()])
  }

  /** The entries of a broadcast state, which every subtask holds alike. */
  async readBroadcastState<K, V>(
    operator: OperatorIdentifier,
    name: string,
    keyType?: TypeInformation<K>,
    valueType?: TypeInformation<V>,
  ): Promise<[K, V][]> {
    const [first] = this.#operatorStates(operator, name, 'broadcast')
    return first === undefined ? [] : [...first.broadcastState(name, keyType, valueType).entries()]
  }

  /** Calls the function for every key, and answers what it gave. Keys come in no order. */
  async readKeyedState<Key, Out>(
    operator: OperatorIdentifier,
    reader: KeyedStateReaderFunction<Key, Out>,
  ): Promise<Out[]> {
    const found: Out[] = []
    const stored = this.#find(operator)
    for (const [index, subtask] of stored.subtasks.entries()) {
      if (subtask?.keyed === undefined) continue
      await this.#withBackend(stored, index, subtask.keyed, (backend) => {
        readKeys(backend, reader, (value) => found.push(value))
      })
    }
    return found
  }

  #find(operator: OperatorIdentifier): OperatorMetadata {
    const id = operatorIdOf(operator)
    const found = this.#checkpoint.metadata.operators.find(({ operatorId }) => operatorId === id)
    if (found !== undefined) return found
    const known = this.#checkpoint.metadata.operators.map(
      ({ uid, name, operatorId }) => uid ?? `${name} (${operatorId})`,
    )
    throw new MillraceError(
      'MR_CHECKPOINT_NOT_FOUND',
      `${this.#checkpoint.path} holds no operator ${JSON.stringify(operator)}; it holds ${known.join(', ')}`,
      { context: { file: this.#checkpoint.path } },
    )
  }

  /** Operator state of each subtask that has the named state. */
  #operatorStates(
    operator: OperatorIdentifier,
    name: string,
    mode: OperatorStateSnapshot['lists'][string]['mode'],
  ): HeapOperatorState[] {
    const holders = this.#find(operator).subtasks.filter((one): one is OperatorSnapshot => hasState(one, name))
    return holders.map(({ operatorState }) => {
      const found = operatorState!.lists[name]!.mode
      if (found !== mode) {
        throw new MillraceError('MR_STATE_CONFLICT', `operator state '${name}' is ${found} state, asked for as ${mode}`)
      }
      const state = new HeapOperatorState()
      state.restore(operatorState!)
      return state
    })
  }

  async #withBackend(
    { parallelism, maxParallelism }: OperatorMetadata,
    subtaskIndex: number,
    handles: readonly KeyedStateHandle[],
    read: (backend: KeyedStateBackend) => void,
  ): Promise<void> {
    const localDirectory = await mkdtemp(join(tmpdir(), 'millrace-state-'))
    // What lies in a disk engine's own files is read by that engine; blocks are read by any backend.
    const tables = handles.find(({ meta }) => (meta as { layout?: unknown } | null)?.layout === 'tables')
    const kind = (tables?.backend ?? 'managed') as KeyedStateBackend['kind']
    const keyGroupRange = keyGroupRangeOf(subtaskIndex, parallelism, maxParallelism)
    const backend = createKeyedStateBackend(kind, { keyGroupRange, maxParallelism, localDirectory })
    try {
      await backend.restore(handles, openSnapshotSource(this.#checkpoint.root, nodeFileSystem))
      read(backend)
    } finally {
      await backend.close()
      await rm(localDirectory, { recursive: true, force: true })
    }
  }
}

/** @internal */
export function operatorIdOf(operator: OperatorIdentifier): string {
  return typeof operator === 'string' ? digest(`uid ${operator}`) : operator.operatorId
}

const hasState = (snapshot: OperatorSnapshot | undefined, name: string): boolean =>
  snapshot?.operatorState !== undefined && Object.hasOwn(snapshot.operatorState.lists, name)

function readKeys<Key, Out>(
  backend: KeyedStateBackend,
  reader: KeyedStateReaderFunction<Key, Out>,
  out: (value: Out) => void,
): void {
  const names = new Set<string>()
  reader.open(
    watched(
      keyedStateStore(() => backend),
      (name) => names.add(name),
    ),
  )
  const keys = new Map<unknown, unknown>()
  for (const name of names) backend.forEachKey(name, (key) => void keys.set(toMapKey(key), key))
  for (const key of keys.values()) {
    backend.setCurrentKey(key)
    reader.readKey(key as Key, out)
  }
}

/** Tells the names of the states that are declared. */
function watched(store: KeyedStateStore, declared: (name: string) => void): KeyedStateStore {
  const tell = <D extends { readonly name: string }>(descriptor: D): D => {
    declared(descriptor.name)
    return descriptor
  }
  return {
    getState: (descriptor) => store.getState(tell(descriptor)),
    getListState: (descriptor) => store.getListState(tell(descriptor)),
    getMapState: (descriptor) => store.getMapState(tell(descriptor)),
    getReducingState: (descriptor) => store.getReducingState(tell(descriptor)),
    getAggregatingState: (descriptor) => store.getAggregatingState(tell(descriptor)),
  }
}
