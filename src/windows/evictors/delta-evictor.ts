/** Keeps elements whose distance to the last one is below the threshold. */
import { type Evictor, evictorOf } from '../evictor.ts'
import type { DeltaFunction } from '../triggers/delta-trigger.ts'
import type { Window } from '../window.ts'

/** Keeps elements whose distance to the last one is below the threshold. */
export function deltaEvictor<T, W extends Window = Window>(
  threshold: number,
  delta: DeltaFunction<T>,
  doEvictAfter: boolean = false,
): Evictor<T, W> {
  return evictorOf<T, W>(
    `DeltaEvictor(${threshold})`,
    (elements) => {
      const last = elements.at(-1)
      return last === undefined ? elements : elements.filter(({ value }) => delta(value, last.value) < threshold)
    },
    doEvictAfter,
  )
}
