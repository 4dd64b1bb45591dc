/** A run of whole numbers still to be read: `next` … `end - 1`. */
export interface RangeSplit {
  readonly next: number
  readonly end: number
}

/** Cuts `from` … `end - 1` into at most `count` ranges of nearly equal length, in order; empty ranges are left out. */
export function splitRange(from: number, end: number, count: number): RangeSplit[] {
  const splits: RangeSplit[] = []
  const length = end - from
  for (let i = 0; i < count; i++) {
    const next = from + Math.floor((length / count) * i)
    const stop = i === count - 1 ? end : from + Math.floor((length / count) * (i + 1))
    if (next < stop) splits.push({ next, end: stop })
  }
  return splits
}
