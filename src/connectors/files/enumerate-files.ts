/** Splits over what the user names. Coordinator only; cold path. */
import { guidedLength } from '../guided-length.ts'
import { type FileSplit, planSplits } from './file-split.ts'
import { findFiles } from './find-files.ts'

const defaultSplitBytes = { most: 16 << 20, last: 1 << 20, least: 64 << 10 }

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
  const sizeOf = splitBytes === undefined ? guidedLength(bytes, parallelism, defaultSplitBytes) : () => splitBytes
  return planSplits(files, sizeOf, isDivisible)
}
