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

/** How large the next split should be, by how many bytes are left for it and those after it. */
export type SplitSize = (bytesLeft: number) => number

/**
 * Cuts files into splits of about the wanted size: large files into byte ranges (where `isDivisible`), small ones
 * gathered. Compressed files count as four times their size.
 */
export function planSplits(
  files: readonly { readonly path: string; readonly bytes: number }[],
  sizeOf: SplitSize,
  isDivisible: boolean,
): FileSplit[] {
  const splits: FileSplit[] = []
  let gathered: FileRange[] = []
  let gatheredBytes = 0
  let bytesLeft = files.reduce((sum, file) => sum + countedBytes(file), 0)
  const seal = (): void => {
    if (gathered.length > 0) splits.push({ ranges: gathered })
    gathered = []
    gatheredBytes = 0
  }
  for (const file of files) {
    const { path, bytes } = file
    if (isGzip(path)) gathered.push({ path, start: 0, end: Number.POSITIVE_INFINITY })
    else if (!isDivisible || bytes <= sizeOf(bytesLeft)) gathered.push({ path, start: 0, end: bytes })
    else {
      seal()
      for (const { start, end } of cut(bytes, bytesLeft, sizeOf)) splits.push({ ranges: [{ path, start, end }] })
      bytesLeft -= bytes
      continue
    }
    gatheredBytes += countedBytes(file)
    if (gatheredBytes >= sizeOf(bytesLeft)) {
      bytesLeft -= gatheredBytes
      seal()
    }
  }
  seal()
  return splits
}

function countedBytes({ path, bytes }: { readonly path: string; readonly bytes: number }): number {
  return isGzip(path) ? bytes * 4 : bytes
}

/** Ranges of one file; none is larger than wanted, and the last is about as large as the one before. */
function cut(bytes: number, bytesLeft: number, sizeOf: SplitSize): { readonly start: number; readonly end: number }[] {
  const ranges: { start: number; end: number }[] = []
  for (let start = 0; start < bytes;) {
    const pieces = Math.ceil((bytes - start) / Math.max(1, sizeOf(bytesLeft - start)))
    const end = start + Math.ceil((bytes - start) / pieces)
    ranges.push({ start, end })
    start = end
  }
  return ranges
}
