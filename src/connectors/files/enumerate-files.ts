/** Splits over what the user names. Coordinator only; cold path. */
import { type FileSplit, planSplits } from './file-split.ts'
import { findFiles } from './find-files.ts'

const splitBytesDefault = 16 << 20
const splitBytesMin = 64 << 10
/** Small inputs are cut finer, so that every subtask has something to do. */
const splitsPerSubtask = 4

export interface EnumerateOptions {
  /** Default 16 MiB; less where the input is small. */
  readonly splitBytes?: number
  /** False where records cannot be found from the middle of a file. */
  readonly isDivisible?: boolean
}

/** Finds the files and cuts them into splits, a few for every subtask. */
export function enumerateFiles(
  path: string | readonly string[],
  parallelism: number,
  options: EnumerateOptions,
): FileSplit[] {
  const files = findFiles(path)
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const fair = Math.max(splitBytesMin, Math.ceil(bytes / (parallelism * splitsPerSubtask)))
  return planSplits(files, options.splitBytes ?? Math.min(splitBytesDefault, fair), options.isDivisible ?? true)
}
