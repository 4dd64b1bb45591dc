/**
 * Splits of file sources: plain data that travels from the coordinator to readers and into snapshots.
 *
 * Invariants
 * 1. A record belongs to the range in which its first byte lies; a reader goes on past `end` to finish it.
 * 2. `position` is where the next record begins, in bytes of the (unpacked) file; absent: the range is untouched.
 * 3. A compressed file is one range, `end` is Infinity.
 */
import type { Field } from '../../data/types.ts'

export interface FileRange {
  /** Absolute. */
  readonly path: string
  /** Bytes from the start of the file. */
  readonly start: number
  readonly end: number
  readonly position?: number
  /** Line number at `position`, kept where a file is read whole; first line is 1. */
  readonly line?: number
  /** CSV: the column names, where the range does not begin with them. */
  readonly header?: readonly string[]
}

/** One or more ranges, read one after the other: small files are gathered into one split. */
export interface FileSplit {
  readonly ranges: readonly FileRange[]
  /** CSV: the columns that were inferred for all files. */
  readonly schema?: readonly Field[]
}

/** Names a split among those of its source, however far it is read. */
export function fileSplitId({ ranges: [first] }: FileSplit): string {
  return `${first?.path}:${first?.start}`
}

export function isGzip(path: string): boolean {
  return path.endsWith('.gz')
}

/**
 * Cuts files into splits of about `splitBytes`: large files into byte ranges (where `isDivisible`), small ones gathered.
 * Compressed files count as four times their size.
 */
export function planSplits(
  files: readonly { readonly path: string; readonly bytes: number }[],
  splitBytes: number,
  isDivisible: boolean,
): FileSplit[] {
  const splits: FileSplit[] = []
  let gathered: FileRange[] = []
  let gatheredBytes = 0
  const seal = (): void => {
    if (gathered.length > 0) splits.push({ ranges: gathered })
    gathered = []
    gatheredBytes = 0
  }
  for (const { path, bytes } of files) {
    if (isGzip(path)) {
      gathered.push({ path, start: 0, end: Number.POSITIVE_INFINITY })
      gatheredBytes += bytes * 4
    } else if (!isDivisible || bytes <= splitBytes) {
      gathered.push({ path, start: 0, end: bytes })
      gatheredBytes += bytes
    } else {
      seal()
      const pieces = Math.ceil(bytes / splitBytes)
      for (let i = 0; i < pieces; i++) {
        const start = Math.floor((bytes / pieces) * i)
        const end = i === pieces - 1 ? bytes : Math.floor((bytes / pieces) * (i + 1))
        splits.push({ ranges: [{ path, start, end }] })
      }
    }
    if (gatheredBytes >= splitBytes) seal()
  }
  seal()
  return splits
}
