/**
 * Operator state: lists per subtask that are redistributed at another parallelism (even split round robin, or union to
 * everyone), and broadcast state (the same map in every subtask). Cold path: kept on the heap.
 */
import type { DataType, TypeInformation } from '../data/types.ts'
import type { ListState, MapState } from './keyed-state-backend.ts'

/** Lists and broadcast maps of one operator in one subtask. */
export interface OperatorStateStore {
  /** Even split: on restore the items of all subtasks are dealt out anew. */
  listState<T>(name: string, type?: TypeInformation<T>): ListState<T>
  /** Union: on restore every subtask gets all items. */
  unionListState<T>(name: string, type?: TypeInformation<T>): ListState<T>
  /** Broadcast: every subtask holds the same entries. */
  broadcastState<K, V>(name: string, keyType?: TypeInformation<K>, valueType?: TypeInformation<V>): MapState<K, V>
}

/** Plain data, structured-cloneable: the content of one subtask's operator state. */
export interface OperatorStateSnapshot {
  readonly lists: Readonly<Record<string, OperatorStateItems>>
}

/** One state of them. */
export interface OperatorStateItems {
  readonly mode: 'split' | 'union' | 'broadcast'
  readonly items: readonly Uint8Array[]
  /** Of the items, of a broadcast state's values; snapshots of earlier versions do not tell. */
  readonly type?: DataType
  /** Of a broadcast state's keys. */
  readonly keyType?: DataType
}
