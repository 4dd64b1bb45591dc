/** The number of key groups of an operator: given, or by Flink's rule from its parallelism. */
import { maxParallelismDefault, maxParallelismMax } from '../common/limits.ts'

/** 1.5 times the parallelism, rounded up to a power of two, within 128 … 32768. */
export function defaultMaxParallelism(parallelism: number): number {
  const wanted = 2 ** Math.ceil(Math.log2(parallelism + Math.floor(parallelism / 2)))
  return Math.min(Math.max(wanted, maxParallelismDefault), maxParallelismMax)
}
