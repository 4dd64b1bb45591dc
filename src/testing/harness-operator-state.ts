/** Operator state of a harness: plain lists and maps, copied into snapshots and dealt out anew on restore. */
import type { ListState, MapState } from '../state/keyed-state-backend.ts'
import type { OperatorStateStore } from '../state/operator-state.ts'
import { PlainList, PlainMap } from '../state/plain-state.ts'

export interface HarnessOperatorSnapshot {
  readonly split: Readonly<Record<string, readonly unknown[]>>
  readonly union: Readonly<Record<string, readonly unknown[]>>
  readonly broadcast: Readonly<Record<string, readonly (readonly [unknown, unknown])[]>>
}

export class HarnessOperatorState implements OperatorStateStore {
  readonly #split = new Map<string, unknown[]>()
  readonly #union = new Map<string, unknown[]>()
  readonly #broadcast = new Map<string, Map<unknown, unknown>>()

  /** What one of `parallelism` subtasks gets of the snapshots of all earlier ones. */
  restore(snapshots: readonly HarnessOperatorSnapshot[], subtaskIndex: number, parallelism: number): void {
    let dealt = 0
    for (const { split, union, broadcast } of structuredClone(snapshots)) {
      for (const [name, items] of Object.entries(split)) {
        const mine = items.filter(() => dealt++ % parallelism === subtaskIndex)
        this.#listOf(this.#split, name).push(...mine)
      }
      for (const [name, items] of Object.entries(union)) this.#listOf(this.#union, name).push(...items)
      for (const [name, entries] of Object.entries(broadcast)) this.#broadcast.set(name, new Map(entries))
    }
  }

  snapshot(): HarnessOperatorSnapshot {
    return structuredClone({
      split: Object.fromEntries(this.#split),
      union: Object.fromEntries(this.#union),
      broadcast: Object.fromEntries([...this.#broadcast].map(([name, map]) => [name, [...map]])),
    })
  }

  listState<T>(name: string): ListState<T> {
    return new PlainList<T>(this.#listOf(this.#split, name))
  }

  unionListState<T>(name: string): ListState<T> {
    return new PlainList<T>(this.#listOf(this.#union, name))
  }

  broadcastState<K, V>(name: string): MapState<K, V> {
    let map = this.#broadcast.get(name)
    if (map === undefined) this.#broadcast.set(name, (map = new Map()))
    return new PlainMap<K, V>(map as Map<K, V>)
  }

  #listOf(lists: Map<string, unknown[]>, name: string): unknown[] {
    let list = lists.get(name)
    if (list === undefined) lists.set(name, (list = []))
    return list
  }
}
