/**
 * How many entries a restore is about to put into which tables, so that room is made for all of them at once: a table that
 * grows and is split on the way takes three times as long to fill.
 */
import type { KeyClass } from './key-class.ts'
import type { KeyedStateHandle, KeyGroupRange, Namespace } from './keyed-state-backend.ts'
import type { StateFile } from './state-file.ts'
import type { StateSpec } from './state-spec.ts'

/** How many entries a table has. */
export type LiveTable = readonly [stateName: string, namespace: Namespace, keyClass: KeyClass, count: number]

/** What the handle of a snapshot in blocks says beside its files. */
export interface BlocksMeta {
  readonly layout: 'blocks'
  /** The large ones of the whole snapshot; absent in those of earlier versions. */
  readonly tables?: readonly LiveTable[]
}

export interface ExpectedTable {
  readonly spec: StateSpec
  readonly namespace: Namespace
  readonly keyClass: KeyClass
  readonly count: number
}

export class ExpectedTables {
  readonly #own: KeyGroupRange
  /** By the state's name, what all handles tell together; undefined where one tells nothing. */
  readonly #told: Map<string, Map<string, LiveTable>> | undefined

  constructor(handles: readonly KeyedStateHandle[], own: KeyGroupRange) {
    this.#own = own
    const isTold = handles.every(({ meta }) => (meta as Partial<BlocksMeta> | null)?.tables !== undefined)
    if (!isTold) return
    this.#told = new Map()
    for (const { keyGroupRange, meta } of handles) {
      for (const table of (meta as BlocksMeta).tables!) this.#add(table, rangeShare(keyGroupRange, own))
    }
  }

  /** The tables of states that are known now, each once. */
  take(states: readonly StateSpec[]): ExpectedTable[] {
    return states.flatMap((spec) => {
      const tables = [...(this.#told?.get(spec.name)?.values() ?? [])]
      this.#told?.delete(spec.name)
      return tables.map(([, namespace, keyClass, count]) => ({ spec, namespace, keyClass, count: Math.ceil(count) }))
    })
  }

  /**
   * Where the handles do not tell: a handle's files replace each other's entries, so that a table holds at least what the
   * largest of them writes.
   */
  writtenIn(
    handles: readonly { readonly written: KeyGroupRange; readonly files: readonly StateFile[] }[],
  ): ExpectedTable[] {
    if (this.#told !== undefined) return []
    const tables = new Map<string, ExpectedTable>()
    for (const { written, files } of handles) {
      const share = rangeShare(written, this.#own)
      const largest = new Map<string, ExpectedTable>()
      for (const { schema, written: tablesWritten } of files) {
        if (schema.part !== undefined) continue
        for (const { state, namespace, keyClass, count } of tablesWritten) {
          const spec = schema.states[state]!
          const id = JSON.stringify([spec.name, namespace, keyClass])
          const known = largest.get(id)?.count ?? 0
          largest.set(id, { spec, namespace, keyClass, count: Math.max(known, count * share) })
        }
      }
      for (const [id, table] of largest) tables.set(id, { ...table, count: table.count + (tables.get(id)?.count ?? 0) })
    }
    return [...tables.values()].map((table) => ({ ...table, count: Math.ceil(table.count) }))
  }

  #add([name, namespace, keyClass, count]: LiveTable, share: number): void {
    let tables = this.#told!.get(name)
    if (tables === undefined) this.#told!.set(name, (tables = new Map()))
    const id = JSON.stringify([namespace, keyClass])
    tables.set(id, [name, namespace, keyClass, count * share + (tables.get(id)?.[3] ?? 0)])
  }
}

/** About how much of what was written for one range of key groups falls into another. */
function rangeShare(written: KeyGroupRange, own: KeyGroupRange): number {
  const common = Math.min(written.last, own.last) - Math.max(written.first, own.first) + 1
  return Math.max(common, 0) / (written.last - written.first + 1)
}
