/**
 * Operator state on the heap: lists and broadcast maps of one operator in one subtask. Restored items stay bytes until
 * the program declares the state and with it the type. Cold; the slot's thread.
 *
 * Invariants
 * 1. A name belongs to one mode; MR_STATE_CONFLICT otherwise.
 * 2. A restored state that the program does not declare stays part of the snapshots.
 */
import { MillraceError } from '../common/errors.ts'
import { ByteReader, ByteWriter } from '../data/bytes.ts'
import type { DataType, TypeInformation } from '../data/types.ts'
import { codecFor, type ValueCodec } from '../data/value-codec.ts'
import type { ListState, MapState } from './keyed-state-backend.ts'
import type { OperatorStateSnapshot, OperatorStateStore } from './operator-state.ts'
import { PlainList, PlainMap } from './plain-state.ts'
import { fromMapKey, toMapKey } from './primitives/user-map-key.ts'

type Mode = OperatorStateSnapshot['lists'][string]['mode']

interface Declared {
  readonly mode: Mode
  readonly state: PlainList<unknown> | PlainMap<unknown, unknown>
  items(): Uint8Array[]
}

export class HeapOperatorState implements OperatorStateStore {
  readonly #declared = new Map<string, Declared>()
  readonly #restored = new Map<string, OperatorStateSnapshot['lists'][string]>()

  listState<T>(name: string, type?: TypeInformation<T>): ListState<T> {
    return this.#list('split', name, type?.dataType) as ListState<T>
  }

  unionListState<T>(name: string, type?: TypeInformation<T>): ListState<T> {
    return this.#list('union', name, type?.dataType) as ListState<T>
  }

  broadcastState<K, V>(name: string, keyType?: TypeInformation<K>, valueType?: TypeInformation<V>): MapState<K, V> {
    const known = this.#find('broadcast', name)
    if (known !== undefined) return known.state as unknown as MapState<K, V>
    const keys = codecFor(keyType?.dataType)
    const values = codecFor(valueType?.dataType)
    const map = new Map<unknown, unknown>()
    for (const item of this.#take(name)) {
      const reader = new ByteReader(item)
      const key = toMapKey(keys.decode(reader))
      map.set(key, values.decode(reader))
    }
    const encode = ([key, value]: readonly [unknown, unknown]): Uint8Array => {
      const writer = new ByteWriter()
      keys.encode(fromMapKey(key), writer)
      values.encode(value, writer)
      return writer.take()
    }
    const state = new PlainMap<unknown, unknown>(map)
    this.#declared.set(name, { mode: 'broadcast', state, items: () => Array.from(map, encode) })
    return state as unknown as MapState<K, V>
  }

  /** Copies: what the program changes afterwards is not in it. Undefined where there is nothing. */
  snapshot(): OperatorStateSnapshot | undefined {
    const lists: Record<string, { mode: Mode; items: readonly Uint8Array[] }> = Object.fromEntries(this.#restored)
    for (const [name, { mode, items }] of this.#declared) lists[name] = { mode, items: items() }
    return Object.keys(lists).length === 0 ? undefined : { lists }
  }

  /** Before any state is declared. */
  restore(snapshot: OperatorStateSnapshot): void {
    for (const [name, list] of Object.entries(snapshot.lists)) this.#restored.set(name, list)
  }

  #list(mode: 'split' | 'union', name: string, type: DataType | undefined): PlainList<unknown> {
    const known = this.#find(mode, name)
    if (known !== undefined) return known.state as PlainList<unknown>
    const codec = codecFor(type)
    const values = this.#take(name).map((item) => codec.decode(new ByteReader(item)))
    const state = new PlainList<unknown>(values)
    this.#declared.set(name, { mode, state, items: () => values.map((value) => encodeItem(codec, value)) })
    return state
  }

  #find(mode: Mode, name: string): Declared | undefined {
    const known = this.#declared.get(name)
    const found = known?.mode ?? this.#restored.get(name)?.mode
    if (found !== undefined && found !== mode) {
      throw new MillraceError('MR_STATE_CONFLICT', `operator state '${name}' is ${found} state, asked for as ${mode}`)
    }
    return known
  }

  #take(name: string): readonly Uint8Array[] {
    const items = this.#restored.get(name)?.items ?? []
    this.#restored.delete(name)
    return items
  }
}

/** One for all: a buffer per item would cost more than its encoding. */
const itemWriter = new ByteWriter()

function encodeItem(codec: ValueCodec, value: unknown): Uint8Array {
  itemWriter.reset()
  codec.encode(value, itemWriter)
  return itemWriter.take()
}
