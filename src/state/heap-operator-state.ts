/**
 * Operator state on the heap: lists and broadcast maps of one operator in one subtask. Restored items stay bytes until
 * the program declares the state and with it the type. Cold; the slot's thread.
 *
 * Invariants
 * 1. A name belongs to one mode; MR_STATE_CONFLICT otherwise.
 * 2. A restored state that the program does not declare stays part of the snapshots.
 * 3. Items are read by the type that they were written with, and brought to the declared one (schema-migration.ts).
 */
import { MillraceError } from '../common/errors.ts'
import { ByteReader, ByteWriter } from '../data/bytes.ts'
import type { DataType, TypeInformation } from '../data/types.ts'
import { codecFor, type ValueCodec } from '../data/value-codec.ts'
import type { ListState, MapState } from './keyed-state-backend.ts'
import type { OperatorStateItems, OperatorStateSnapshot, OperatorStateStore } from './operator-state.ts'
import { PlainList, PlainMap } from './plain-state.ts'
import { fromMapKey, toMapKey } from './primitives/user-map-key.ts'
import { itemMigrationOf } from './schema-migration.ts'
import { genericType } from './state-spec.ts'

type Mode = OperatorStateItems['mode']

interface Declared extends Pick<OperatorStateItems, 'keyType'> {
  readonly mode: Mode
  readonly type: DataType
  readonly state: PlainList<unknown> | PlainMap<unknown, unknown>
  items(): Uint8Array[]
}

export class HeapOperatorState implements OperatorStateStore {
  readonly #declared = new Map<string, Declared>()
  readonly #restored = new Map<string, OperatorStateItems>()

  listState<T>(name: string, type?: TypeInformation<T>): ListState<T> {
    return this.#list('split', name, typeOf(type)) as ListState<T>
  }

  unionListState<T>(name: string, type?: TypeInformation<T>): ListState<T> {
    return this.#list('union', name, typeOf(type)) as ListState<T>
  }

  broadcastState<K, V>(name: string, keyType?: TypeInformation<K>, valueType?: TypeInformation<V>): MapState<K, V> {
    const known = this.#find('broadcast', name)
    if (known !== undefined) return known.state as unknown as MapState<K, V>
    const declared = { type: typeOf(valueType), keyType: typeOf(keyType) }
    const keys = codecFor(declared.keyType)
    const values = codecFor(declared.type)
    const stored = this.#take(name)
    const readKey = readerOf(name, stored.keyType, declared.keyType)
    const readValue = readerOf(name, stored.type, declared.type)
    const map = new Map<unknown, unknown>()
    for (const item of stored.items) {
      const reader = new ByteReader(item)
      const key = toMapKey(readKey(reader))
      map.set(key, readValue(reader))
    }
    const encode = ([key, value]: readonly [unknown, unknown]): Uint8Array => {
      const writer = new ByteWriter()
      keys.encode(fromMapKey(key), writer)
      values.encode(value, writer)
      return writer.take()
    }
    const state = new PlainMap<unknown, unknown>(map)
    this.#declared.set(name, { mode: 'broadcast', ...declared, state, items: () => Array.from(map, encode) })
    return state as unknown as MapState<K, V>
  }

  /** Copies: what the program changes afterwards is not in it. Undefined where there is nothing. */
  snapshot(): OperatorStateSnapshot | undefined {
    const lists: Record<string, OperatorStateItems> = Object.fromEntries(this.#restored)
    for (const [name, { mode, type, keyType, items }] of this.#declared) {
      lists[name] = { mode, type, ...(keyType && { keyType }), items: items() }
    }
    return Object.keys(lists).length === 0 ? undefined : { lists }
  }

  /** Before any state is declared. */
  restore(snapshot: OperatorStateSnapshot): void {
    for (const [name, list] of Object.entries(snapshot.lists)) this.#restored.set(name, list)
  }

  #list(mode: 'split' | 'union', name: string, type: DataType): PlainList<unknown> {
    const known = this.#find(mode, name)
    if (known !== undefined) return known.state as PlainList<unknown>
    const codec = codecFor(type)
    const stored = this.#take(name)
    const read = readerOf(name, stored.type, type)
    const values = stored.items.map((item) => read(new ByteReader(item)))
    const state = new PlainList<unknown>(values)
    this.#declared.set(name, { mode, type, state, items: () => values.map((value) => encodeItem(codec, value)) })
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

  #take(name: string): Pick<OperatorStateItems, 'items' | 'type' | 'keyType'> {
    const stored = this.#restored.get(name)
    this.#restored.delete(name)
    return stored ?? { items: [] }
  }
}

const typeOf = (type: TypeInformation<unknown> | undefined): DataType => type?.dataType ?? genericType

/** MR_CHECKPOINT_INCOMPATIBLE where the types do not fit. */
function readerOf(name: string, written: DataType | undefined, declared: DataType): (bytes: ByteReader) => unknown {
  const codec = codecFor(written ?? declared)
  const migrate = written && itemMigrationOf(name, written, declared)
  return migrate === undefined ? (bytes) => codec.decode(bytes) : (bytes) => migrate(codec.decode(bytes))
}

/** One for all: a buffer per item would cost more than its encoding. */
const itemWriter = new ByteWriter()

function encodeItem(codec: ValueCodec, value: unknown): Uint8Array {
  itemWriter.reset()
  codec.encode(value, itemWriter)
  return itemWriter.take()
}
