/** Splits over what the user names. Coordinator only; cold path. */
import { type FileSplit, planSplits, type SplitSize } from './file-split.ts'
import { findFiles } from './find-files.ts'

const splitBytesMax = 16 << 20
/** Splits grow smaller towards the end, down to this, or less where the input is small. */
const lastSplitBytes = 1 << 20
const splitBytesMin = 64 << 10
const lastSplitsPerSubtask = 32

export interface EnumerateOptions {
  /** All of one size. Default: at most 16 MiB, and smaller towards the end of the input. */
  readonly splitBytes?: number
  /** False where records cannot be found from the middle of a file. */
  readonly isDivisible?: boolean
}

/** Finds the files and cuts them into splits, a few for every subtask. */
export function enumerateFiles(
  path: string | readonly string[],
  parallelism: number,
  { splitBytes, isDivisible = true }: EnumerateOptions,
): FileSplit[] {
  const files = findFiles(path)
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const sizeOf = splitBytes === undefined ? guidedSize(bytes, parallelism) : () => splitBytes
  return planSplits(files, sizeOf, isDivisible)
}

/**
 * Guided self-scheduling (Polychronopoulos and Kuck, 1987): each split is a fixed share of what is left, so that subtasks
 * that take splits as they go end within one small split of each other.
 */
function guidedSize(bytes: number, parallelism: number): SplitSize {
  const fair = Math.ceil(bytes / (parallelism * lastSplitsPerSubtask))
  const least = Math.max(splitBytesMin, Math.min(lastSplitBytes, fair))
  return (bytesLeft) => Math.min(splitBytesMax, Math.max(least, Math.ceil(bytesLeft / (parallelism * 2))))
}
