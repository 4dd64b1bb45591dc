/**
 * Watches the heap of a slot's thread from outside: a call that goes on and on, of a user's function or of a restore, does
 * not come to the slot's own look (`runtime/heap-watch.ts`). Whoever is here is far above the limit, and near V8's, which
 * would end the process; the thread is ended instead, whatever it is doing. Thread: the coordinator's.
 */
import type { Worker } from 'node:worker_threads'
import { heapReserveMb } from '../runtime/heap-watch.ts'

/** Between two looks; each interrupts the slot for some microseconds. */
const lookIntervalMs = 25
/** Beyond the limit. What is above V8's own line of collection and the young generation together lives, or will not wait. */
const beyondBytesMax = (heapReserveMb * 2 ** 20 * 3) / 4

/** Calls `onOverflow` once, if ever. Answers how to stop. */
export function guardHeap(worker: Worker, limitBytes: number, onOverflow: (usedBytes: number) => void): () => void {
  let isLooking = false
  const timer = setInterval(() => {
    if (isLooking) return
    isLooking = true
    // Rejects where the thread has ended, which others notice.
    void worker
      .getHeapStatistics()
      .then(
        ({ used_heap_size: usedBytes }) => {
          if (usedBytes <= limitBytes + beyondBytesMax) return
          clearInterval(timer)
          onOverflow(usedBytes)
        },
        () => {},
      )
      .finally(() => (isLooking = false))
  }, lookIntervalMs)
  timer.unref()
  return () => clearInterval(timer)
}
