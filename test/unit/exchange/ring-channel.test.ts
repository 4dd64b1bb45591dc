/** What rings do beyond the contract of channels. */
import { expect, it } from 'vitest'
import { codeOf } from '../../../src/common/errors.ts'
import type { BlockDecoder } from '../../../src/data/block-decoder.ts'
import { types } from '../../../src/data/types.ts'
import { Polled } from '../../../src/exchange/channel.ts'
import type { RingWriter } from '../../../src/exchange/ring-writer.ts'
import { pollAll, twoEnds } from '../../support/two-ends.ts'

it('carries records as they were when written, though the program changes the object later', () => {
  const ends = twoEnds('ring', { segmentBytes: 4096, floatingBuffersPerGate: 0 })
  const record = { n: -1, text: 'x'.repeat(100) }
  let written = 0
  while (!ends.writer.isFull() || written % 10 !== 0) {
    record.n = written++
    ends.writer.write(record, 1)
  }
  record.n = -2
  const carried = pollAll(ends)
  ends.writer.flush()
  carried.push(...pollAll(ends))
  expect(carried.map((each) => 'value' in each && (each.value as { n: number }).n)).toEqual(
    Array.from({ length: written }, (_, i) => i),
  )
})

it('refuses a record that cannot be serialised, and carries what comes before and after', () => {
  const ends = twoEnds('ring')
  ends.writer.write({ a: 1 }, 1)
  ends.writer.flush()
  for (const value of [{ a: 1, f: () => 1 }, Symbol('s'), new (class Point {})()]) {
    let error: unknown
    try {
      ends.writer.write(value, 1)
      ends.writer.flush()
    } catch (thrown) {
      error = thrown
    }
    expect(codeOf(error)).toBe('MR_DATA_NOT_SERIALIZABLE')
  }
  ends.writer.write({ a: 2 }, 1)
  ends.writer.flush()
  expect(pollAll(ends).map((each) => 'value' in each && each.value)).toEqual([{ a: 1 }, { a: 2 }])
})

it('shares one segment among many small batches, and needs no credit for events', () => {
  const { writer, reader } = twoEnds('ring', { buffersPerChannel: 1, floatingBuffersPerGate: 0 })
  for (let i = 0; i < 20; i++) {
    writer.write({ n: i }, i)
    writer.emitEvent({ type: 'watermark', timestampMs: i })
  }
  expect(writer.isFull()).toBe(false)
  expect(reader.queueLength()).toBe(41)
  expect(pollAll({ writer, reader })).toHaveLength(40)
})

it('keeps going with the floating segments of its gate, and gives them back', () => {
  const { writer, reader } = twoEnds('ring', { segmentBytes: 4096, buffersPerChannel: 1, floatingBuffersPerGate: 4 })
  const lengths: number[] = []
  for (let i = 0; i < 50; i++) {
    while (!writer.isFull()) writer.write('some text that fills the segment', 1)
    lengths.push(reader.queueLength())
    reader.poll()
    writer.drain()
  }
  expect(lengths[0]).toBe(2)
  expect(Math.max(...lengths)).toBeGreaterThanOrEqual(4)
  while (reader.poll() !== Polled.Nothing);
  expect(writer.drain()).toBe(true)
})

it('takes columns as they are', () => {
  const type = types.row({ a: types.float64(), i: types.int32(), l: types.int64() }).dataType
  const { writer, reader } = twoEnds('ring', { type, segmentBytes: 4096 })
  const columns = writer as RingWriter
  let sent = 0
  const seen: unknown[] = []
  const receive = (): void => {
    while (reader.poll() === Polled.Batch) {
      const batch = reader.batch as unknown as BlockDecoder
      for (let i = 0; i < batch.count; i++) {
        expect(batch.f64[batch.columnStart(0) + i]).toBe(seen.length / 2)
        seen.push(batch.read(i))
      }
    }
  }
  while (sent < 1000) {
    const rows = columns.claimRows(1000 - sent)
    if (rows === 0) {
      receive()
      continue
    }
    const { f64, i32, i64 } = columns.views
    for (let i = 0; i < rows; i++, sent++) {
      f64[columns.column(0) + i] = sent / 2
      i32[columns.column(1) + i] = -sent
      i64[columns.column(2) + i] = BigInt(sent)
    }
    columns.commitRows(rows)
  }
  writer.flush()
  receive()
  expect(seen).toEqual(Array.from({ length: 1000 }, (_, n) => ({ a: n / 2, i: 0 - n, l: BigInt(n) })))
})
