/**
 * The live tables of a LevelDB directory at one time, opened: what they hold stays readable until the last user has
 * released them, whatever LevelDB compacts and deletes meanwhile.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KeyRange } from '../disk/entry-key-layout.ts'
import { TableFile } from './table-file.ts'
import { type LiveTable, type LiveVersion, readVersion } from './version-file.ts'

export interface VersionFiles extends LiveVersion {
  readonly manifestName: string
  readonly manifest: Buffer
}

/** A compaction may delete a file between the reading of the list and the use of the file: then the list is read anew. */
const triesMax = 20

interface OpenTable extends LiveTable {
  readonly file: TableFile
}

export class OpenVersion {
  readonly #tables: readonly OpenTable[]
  #users = 1

  constructor(tables: readonly OpenTable[]) {
    this.#tables = tables
  }

  static open(directory: string): OpenVersion {
    return withLiveFiles(directory, ({ tables }) => {
      const opened: OpenTable[] = []
      try {
        for (const table of tables) {
          opened.push({ ...table, file: new TableFile(join(directory, tableName(table.number)), table.bytes) })
        }
      } catch (error) {
        for (const { file } of opened) file.close()
        throw error
      }
      return new OpenVersion(opened)
    })
  }

  acquire(): this {
    this.#users++
    return this
  }

  release(): void {
    if (--this.#users === 0) for (const { file } of this.#tables) file.close()
  }

  /** Lists of tables that hold keys of the range; within a list they are disjoint and rise. */
  runsOf(range: KeyRange): TableFile[][] {
    const levels = new Map<number, OpenTable[]>()
    const runs: TableFile[][] = []
    for (const table of this.#tables) {
      if (Buffer.compare(table.largest, range.lower) < 0 || Buffer.compare(table.smallest, range.upper) >= 0) continue
      if (table.level === 0) runs.push([table.file])
      else if (levels.has(table.level)) levels.get(table.level)!.push(table)
      else levels.set(table.level, [table])
    }
    for (const tables of levels.values()) {
      runs.push(tables.toSorted((a, b) => Buffer.compare(a.smallest, b.smallest)).map(({ file }) => file))
    }
    return runs
  }
}

export function tableName(number: number): string {
  return `${String(number).padStart(6, '0')}.ldb`
}

/** Calls `use` with the live files of now, again where one of them is gone before it could be used. */
export function withLiveFiles<T>(directory: string, use: (files: VersionFiles) => T): T {
  for (let tries = 1; ; tries++) {
    const manifestName = readFileSync(join(directory, 'CURRENT'), 'latin1').trim()
    const manifest = readFileSync(join(directory, manifestName))
    try {
      return use({ ...readVersion(manifest), manifestName, manifest })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === triesMax) throw error
    }
  }
}
