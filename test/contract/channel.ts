/** What every channel must do, whatever it is made of (src/exchange/channel.ts). */
import assert from 'node:assert/strict'
import { describe, expect, it } from 'vitest'
import { readSavedBatch } from '../../src/data/saved-batch.ts'
import { types } from '../../src/data/types.ts'
import { Polled } from '../../src/exchange/channel.ts'
import type { CheckpointBarrier } from '../../src/exchange/stream-event.ts'
import { type Carried, type EndsOptions, pollAll, pollOnce, records, type TwoEnds } from '../support/two-ends.ts'

export const barrier = (checkpointId: number, mode: CheckpointBarrier['mode'] = 'unaligned'): CheckpointBarrier => ({
  checkpointId,
  timestampMs: 1_700_000_000_000 + checkpointId,
  kind: 'checkpoint',
  mode,
  alignTimeoutMs: Infinity,
})

export function rowsOf(batches: readonly Uint8Array[]): unknown[] {
  return batches.flatMap((bytes) => {
    const batch = readSavedBatch(bytes)
    return Array.from({ length: batch.count }, (_, i) => batch.read(i))
  })
}

const valuesOf = (carried: readonly Carried[]): unknown[] =>
  carried.flatMap((each) => ('event' in each ? [] : [each.value]))

export function describeChannel(name: string, open: (options?: EndsOptions) => TwoEnds): void {
  describe(`${name}: records`, () => {
    it('arrive in order with their event times, once flushed', () => {
      const { writer, reader } = open()
      for (let i = 0; i < 10; i++) writer.write({ n: i }, i % 3 === 0 ? -Infinity : i)
      expect(writer.hasUnflushed()).toBe(true)
      expect(pollOnce(reader)).toBeUndefined()
      writer.flush()
      expect(writer.hasUnflushed()).toBe(false)
      const carried = pollAll({ writer, reader })
      expect(carried).toEqual(
        Array.from({ length: 10 }, (_, i) => ({ value: { n: i }, timestampMs: i % 3 === 0 ? -Infinity : i })),
      )
      expect(writer.stats.records).toBe(10)
    })

    it('keep undefined, null and missing apart, and every kind of value', () => {
      const ends = open()
      const values = [
        { a: 1, b: 'x' },
        { a: null, b: 'x' },
        { a: undefined, b: 'x' },
        { b: 'x' },
        { a: 2, b: 'y', extra: [1, { deep: new Map([[1, new Set(['z'])]]) }] },
        'text',
        5,
        -0,
        NaN,
        7n,
        2n ** 80n,
        null,
        undefined,
        true,
        new Date(5),
        new Date(NaN),
        Object.assign([], { 0: 1, 2: 3, length: 4 }),
        [],
        new Uint8Array([1]),
        Buffer.from('b'),
        new Float32Array([1.5]),
        '\ud800',
        '漢',
        'é',
      ]
      for (const value of values) ends.writer.write(value, -Infinity)
      ends.writer.flush()
      for (const value of values.toReversed()) ends.writer.write(value, -Infinity)
      ends.writer.flush()
      assert.deepStrictEqual(valuesOf(pollAll(ends)), [...values, ...values.toReversed()])
    })

    it('pass even where one is larger than all segments together', () => {
      const ends = open({ segmentBytes: 4096 })
      const values = [{ t: 'small' }, { t: 'x'.repeat(1_000_000) }, { t: '漢'.repeat(30_000) }, { t: 'after' }]
      for (const value of values) ends.writer.write(value, 5)
      ends.writer.emitEvent({ type: 'endOfInput' })
      const carried = pollAll(ends)
      expect(carried).toEqual([...records(values, 5), { event: { type: 'endOfInput' } }])
    })

    it('of another type than declared still arrive as they are', () => {
      const ends = open({ type: types.row({ id: types.int32(), name: types.text() }).dataType })
      const values = [
        { id: 1, name: 'a' },
        { id: 1.5, name: 'a' },
        { id: 2, name: 'b', more: 1 },
        'stray',
        { id: 3, name: 'c' },
      ]
      for (const value of values) ends.writer.write(value, -Infinity)
      ends.writer.flush()
      assert.deepStrictEqual(valuesOf(pollAll(ends)), values)
    })
  })

  describe(`${name}: events`, () => {
    it('arrive in order with the records, with all they carry', () => {
      const ends = open()
      const sent: Carried[] = [
        { event: { type: 'watermark', timestampMs: 17.5 } },
        ...records(['a', 'b'], 1),
        { event: { type: 'status', isIdle: true } },
        { event: { type: 'barrier', barrier: { ...barrier(3, 'aligned'), kind: 'stop-drain', alignTimeoutMs: 250 } } },
        ...records(['c']),
        { event: { type: 'latency', markedMs: 5, operatorId: '0123456789abcdef0123456789abcdef', subtaskIndex: 3 } },
        { event: { type: 'latency', markedMs: 5, operatorId: 'map-1', subtaskIndex: 0 } },
        { event: { type: 'watermark', timestampMs: Infinity } },
        { event: { type: 'status', isIdle: false } },
        { event: { type: 'endOfInput' } },
      ]
      for (const each of sent) {
        if ('event' in each) ends.writer.emitEvent(each.event)
        else ends.writer.write(each.value, each.timestampMs)
      }
      expect(pollAll(ends)).toEqual(sent)
    })

    it('are never refused, however many there are before anybody reads', () => {
      const ends = open()
      for (let i = 0; i < 500; i++) ends.writer.emitEvent({ type: 'watermark', timestampMs: i })
      expect(pollAll(ends)).toEqual(
        Array.from({ length: 500 }, (_, i) => ({ event: { type: 'watermark', timestampMs: i } })),
      )
    })
  })

  describe(`${name}: a full channel`, () => {
    it('is full until the reader has made room, and loses nothing', () => {
      const ends = open({ segmentBytes: 4096, floatingBuffersPerGate: 0 })
      let written = 0
      while (!ends.writer.isFull() && written < 1_000_000)
        ends.writer.write({ n: written++, t: `record ${written}` }, 1)
      expect(ends.writer.isFull()).toBe(true)
      expect(ends.writer.drain()).toBe(false)
      for (let i = 0; i < 100; i++) ends.writer.write({ n: written++, t: 'beyond' }, 1)
      const carried = pollAll(ends)
      ends.writer.flush()
      carried.push(...pollAll(ends))
      expect(valuesOf(carried).map((value) => (value as { n: number }).n)).toEqual(
        Array.from({ length: written }, (_, i) => i),
      )
    })

    it('lets the writer go on once the reader is closed', () => {
      const ends = open({ segmentBytes: 4096 })
      let written = 0
      while (!ends.writer.isFull()) ends.writer.write({ n: written++ }, 1)
      ends.reader.close()
      expect(ends.writer.drain()).toBe(true)
      for (let i = 0; i < 100_000; i++) ends.writer.write({ n: written++ }, 1)
      ends.writer.emitEvent({ type: 'endOfInput' })
      ends.writer.flush()
      expect(ends.writer.isFull() && !ends.writer.drain()).toBe(false)
      ends.writer.close()
      ends.writer.close()
    })
  })

  describe(`${name}: a barrier that overtakes`, () => {
    it('leaves everything before it to the reader and the writer, and everything goes on', () => {
      const ends = open({ segmentBytes: 4096, floatingBuffersPerGate: 0 })
      let written = 0
      while (!ends.writer.isFull()) ends.writer.write({ n: written++, t: 'x'.repeat(50) }, 1)
      for (let i = 0; i < 10; i++) ends.writer.write({ n: written++, t: 'held' }, 1)
      const first = pollOnce(ends.reader)!
      const left = ends.writer.announceBarrier(barrier(1))
      ends.writer.write({ n: written, t: 'after' }, 1)
      expect(ends.reader.pollPriority()).toEqual(barrier(1))
      expect(ends.reader.pollPriority()).toBeUndefined()
      const inFlight = ends.reader.snapshotInFlight(barrier(1))
      const before = [...rowsOf(inFlight), ...rowsOf(left)]
      const all = Array.from({ length: written }, (_, i) => i)
      expect([...valuesOf(first), ...before].map((value) => (value as { n: number }).n)).toEqual(all)
      ends.writer.flush()
      const rest = pollAll(ends)
      ends.writer.flush()
      rest.push(...pollAll(ends))
      expect(rest.some((each) => 'event' in each)).toBe(false)
      expect(valuesOf(rest)).toEqual([...before, { n: written, t: 'after' }])
    })

    it('that went in band before is found there, and not handed out twice', () => {
      for (const polled of [false, true]) {
        const ends = open()
        ends.writer.write('before', 1)
        ends.writer.emitEvent({ type: 'barrier', barrier: barrier(7, 'aligned') })
        ends.writer.write('after', 1)
        ends.writer.flush()
        if (polled) {
          expect(valuesOf(pollOnce(ends.reader)!)).toEqual(['before'])
          expect(pollOnce(ends.reader)).toEqual([{ event: { type: 'barrier', barrier: barrier(7, 'aligned') } }])
        }
        expect(ends.writer.announceBarrier(barrier(7))).toEqual([])
        if (polled) expect(ends.reader.pollPriority()).toBeUndefined()
        else {
          expect(ends.reader.pollPriority()).toEqual(barrier(7))
          expect(rowsOf(ends.reader.snapshotInFlight(barrier(7)))).toEqual(['before'])
        }
        expect(pollAll(ends)).toEqual(records(polled ? ['after'] : ['before', 'after'], 1))
      }
    })

    it('is told of before anything from behind it is handed out', () => {
      const ends = open()
      ends.writer.write('before', 1)
      ends.writer.announceBarrier(barrier(1))
      ends.writer.write('behind', 1)
      ends.writer.flush()
      // As where the producer announces and writes on right after the reader has looked for barriers.
      expect(valuesOf(pollOnce(ends.reader)!)).toEqual(['before'])
      expect(ends.reader.poll()).toBe(Polled.Nothing)
      expect(ends.reader.pollPriority()).toEqual(barrier(1))
      expect(ends.reader.snapshotInFlight(barrier(1))).toEqual([])
      expect(valuesOf(pollAll(ends))).toEqual(['behind'])
    })

    it('that is held back in the writer is taken out, with what was before it', () => {
      const ends = open({ segmentBytes: 4096, floatingBuffersPerGate: 0 })
      let written = 0
      while (!ends.writer.isFull()) ends.writer.write({ n: written++, t: 'x'.repeat(50) }, 1)
      ends.writer.write({ n: written++, t: 'held' }, 1)
      ends.writer.emitEvent({ type: 'barrier', barrier: barrier(2, 'aligned') })
      ends.writer.write({ n: written, t: 'after' }, 1)
      const left = ends.writer.announceBarrier(barrier(2))
      expect(ends.reader.pollPriority()).toEqual(barrier(2))
      const before = [...rowsOf(ends.reader.snapshotInFlight(barrier(2))), ...rowsOf(left)]
      expect(before.map((value) => (value as { n: number }).n)).toEqual(Array.from({ length: written }, (_, i) => i))
      ends.writer.flush()
      const carried = pollAll(ends)
      ends.writer.flush()
      carried.push(...pollAll(ends))
      expect(carried.some((each) => 'event' in each)).toBe(false)
      expect(valuesOf(carried)).toHaveLength(written + 1)
    })

    it('saves a record in fragments once, wherever its parts are', () => {
      const ends = open({ segmentBytes: 4096, floatingBuffersPerGate: 0 })
      const large = 'y'.repeat(50_000)
      ends.writer.write('small', 1)
      ends.writer.flush()
      ends.writer.write(large, 1)
      for (let polls = 0; polls < 20; polls++) {
        const left = ends.writer.announceBarrier(barrier(polls + 1))
        expect(ends.reader.pollPriority()).toEqual(barrier(polls + 1))
        const saved = [...rowsOf(ends.reader.snapshotInFlight(barrier(polls + 1))), ...rowsOf(left)]
        const found = valuesOf(pollOnce(ends.reader) ?? [])
        expect(saved).toEqual(polls === 0 ? ['small', large] : [large])
        if (found.includes(large)) return
        ends.writer.drain()
      }
      expect.unreachable()
    })
  })

  describe(`${name}: after a restore`, () => {
    it("hands saved batches out first: the reader's, then the writer's, then new records", () => {
      const from = open()
      from.writer.write({ n: 1 }, 5)
      from.writer.flush()
      from.writer.announceBarrier(barrier(1))
      from.reader.pollPriority()
      const saved = from.reader.snapshotInFlight(barrier(1))
      const to = open()
      to.reader.restore(saved)
      to.writer.restore(saved)
      to.writer.write({ n: 2 }, 6)
      to.writer.flush()
      expect(pollAll(to)).toEqual([
        { value: { n: 1 }, timestampMs: 5 },
        { value: { n: 1 }, timestampMs: 5 },
        { value: { n: 2 }, timestampMs: 6 },
      ])
    })

    it('still holds restored batches in the next snapshot', () => {
      const from = open()
      for (const value of ['a', 'b']) from.writer.write(value, 1)
      from.writer.flush()
      from.writer.announceBarrier(barrier(1))
      from.reader.pollPriority()
      const to = open()
      to.reader.restore(from.reader.snapshotInFlight(barrier(1)))
      to.writer.announceBarrier(barrier(2))
      to.reader.pollPriority()
      expect(rowsOf(to.reader.snapshotInFlight(barrier(2)))).toEqual(['a', 'b'])
    })
  })
}
