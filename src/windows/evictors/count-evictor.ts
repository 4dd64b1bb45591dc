/** Keeps the last `countMax` elements. */
import { type Evictor, evictorOf } from '../evictor.ts'
import type { Window } from '../window.ts'

/** Keeps the last `countMax` elements of a window. */
export function countEvictor<T, W extends Window = Window>(
  countMax: number,
  doEvictAfter: boolean = false,
): Evictor<T, W> {
  const evict = <E>(elements: readonly E[]): readonly E[] =>
    elements.length > countMax ? elements.slice(elements.length - countMax) : elements
  return evictorOf(`CountEvictor(${countMax})`, evict, doEvictAfter)
}
