/** All keys of one state under one namespace: a table per class of keys. */
import { keyClassCount, type KeyClass, KeyClass as Class } from '../key-class.ts'
import type { Namespace } from '../keyed-state-backend.ts'
import { ClassTable, type TableOptions } from './class-table.ts'
import type { Partition } from './partition.ts'

export class NamespaceTables {
  readonly namespace: Namespace
  readonly tables: (ClassTable | undefined)[] = Array.from({ length: keyClassCount })
  entryCount = 0
  /** Bytes charged for values that are objects. */
  objectBytes = 0
  /** An earlier snapshot may contain the namespace. */
  isPersisted = false
  isDropped = false
  readonly #expectedEntries: number

  constructor(namespace: Namespace, expectedEntries: number) {
    this.namespace = namespace
    this.#expectedEntries = expectedEntries
  }

  get int32(): ClassTable | undefined {
    return this.tables[Class.Int32]
  }

  /** Made where it is not there yet. */
  table(keyClass: KeyClass, options: TableOptions, expectedEntries: number = this.#expectedEntries): ClassTable {
    let table = this.tables[keyClass]
    if (table === undefined) {
      table = new ClassTable(keyClass, this.namespace, options, expectedEntries)
      this.tables[keyClass] = table
    }
    return table
  }

  *partitions(): Generator<[ClassTable, Partition], void> {
    for (const table of this.tables) {
      if (table !== undefined) for (const partition of table.partitions()) yield [table, partition]
    }
  }

  release(): void {
    for (const table of this.tables) table?.release()
  }
}
