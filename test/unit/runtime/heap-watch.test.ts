import { expect, test } from 'vitest'
import { HeapWatch, type WatchedHeap } from '../../../src/runtime/heap-watch.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const mebibyte = 2 ** 20

/** A heap whose sizes the test sets, with collections that take as long as it says. */
class FakeHeap implements WatchedHeap {
  usedMb = 0
  youngMb = 0
  liveMb = 0
  collectMs = 0
  collections = 0
  canCollect = true
  readonly #clock: FakeClock

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  usedBytes(): number {
    return this.usedMb * mebibyte
  }

  oldBytes(): number {
    return (this.usedMb - this.youngMb) * mebibyte
  }

  collect(): boolean {
    if (!this.canCollect) return false
    this.collections++
    this.#clock.advance(this.collectMs)
    this.usedMb = this.liveMb
    this.youngMb = 0
    return true
  }
}

function watchOf(): { watch: HeapWatch; heap: FakeHeap; clock: FakeClock } {
  const clock = new FakeClock()
  const heap = new FakeHeap(clock)
  return { watch: new HeapWatch({ slot: 3, limitBytes: 64 * mebibyte, clock, heap }), heap, clock }
}

test('what lives beyond the limit fails the slot', () => {
  const { watch, heap } = watchOf()
  Object.assign(heap, { usedMb: 90, liveMb: 65 })
  expect(() => watch.check()).toThrow(
    'slot 3 has 65 MiB on its JavaScript heap; its limit is 64 MiB (taskmanager.memory.heap-per-slot.size)',
  )
})

test('garbage and the young generation are no overflow', () => {
  const { watch, heap, clock } = watchOf()
  Object.assign(heap, { usedMb: 120, youngMb: 60, liveMb: 30 })
  watch.check()
  expect(heap.collections).toBe(0)
  heap.youngMb = 0
  watch.check()
  expect(heap.collections).toBe(1)
  clock.advance(50)
  watch.check()
  expect(heap.collections).toBe(1)
})

test('where no collection is possible the verdict waits', () => {
  const { watch, heap } = watchOf()
  Object.assign(heap, { usedMb: 90, liveMb: 80, canCollect: false })
  watch.check()
  heap.canCollect = true
  expect(() => watch.check()).toThrow('has 80 MiB')
})

test('a slot that does little else than collect garbage fails, one that collects now and then does not', () => {
  const { watch, heap, clock } = watchOf()
  Object.assign(heap, { liveMb: 63, collectMs: 100 })
  const fill = (workMs: number): void => {
    clock.advance(workMs)
    heap.usedMb = 80
    watch.check()
  }
  for (let i = 0; i < 10; i++) fill(150)
  for (let i = 0; i < 3; i++) fill(50)
  fill(150)
  for (let i = 0; i < 3; i++) fill(50)
  expect(() => fill(50)).toThrow('has 63 MiB')
})
