/** Keeps elements that are younger than `keepMs`, measured from the latest element of the window. */
import { noTimestamp } from '../../common/limits.ts'
import { type Evictor, evictorOf } from '../evictor.ts'
import type { Window } from '../window.ts'

/** Keeps elements younger than `keepMs`, measured from the latest element of the window. */
export function timeEvictor<T, W extends Window = Window>(
  keepMs: number,
  doEvictAfter: boolean = false,
): Evictor<T, W> {
  return evictorOf<T, W>(
    `TimeEvictor(${keepMs})`,
    (elements) => {
      if (elements.length === 0 || elements[0]!.timestampMs === noTimestamp) return elements
      let latestMs = noTimestamp
      for (const { timestampMs } of elements) if (timestampMs > latestMs) latestMs = timestampMs
      const cutoffMs = latestMs - keepMs
      return elements.filter(({ timestampMs }) => timestampMs > cutoffMs)
    },
    doEvictAfter,
  )
}
