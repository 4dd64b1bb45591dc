/**
 * Channels against an array queue: random writes, events, flushes, polls and barriers that overtake, with small segments
 * and few credits. What is polled is what was written, in order; what a barrier overtakes is in the snapshot, once.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { readSavedBatch } from '../../src/data/saved-batch.ts'
import type { CheckpointBarrier, StreamEvent } from '../../src/exchange/stream-event.ts'
import { type Carried, type ChannelKind, pollOnce, twoEnds } from '../support/two-ends.ts'

const runs = process.env['MILLRACE_FULL'] === '1' ? 4_000 : 200

type Action =
  | { readonly do: 'write'; readonly values: readonly unknown[]; readonly timestampMs: number }
  | { readonly do: 'event'; readonly event: StreamEvent }
  | { readonly do: 'flush' | 'drain' | 'announce' }
  | { readonly do: 'poll'; readonly times: number }

const text = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.integer({ min: 1_000, max: 20_000 }).map((length) => 'long '.repeat(length / 5)),
)
const value = fc.oneof(
  { weight: 8, arbitrary: fc.record({ id: fc.double(), name: text }, { noNullPrototype: true }) },
  {
    weight: 2,
    arbitrary: fc.record({ id: fc.double(), name: fc.option(text) }, { noNullPrototype: true, requiredKeys: ['id'] }),
  },
  { weight: 1, arbitrary: fc.anything({ withBigInt: true, withDate: true, withMap: true }) },
)
const timestamp = fc.oneof(fc.constant(-Infinity), fc.integer({ min: 0, max: 1_000_000 }))
const event: fc.Arbitrary<StreamEvent> = fc.oneof(
  fc.integer().map((timestampMs) => ({ type: 'watermark' as const, timestampMs })),
  fc.boolean().map((isIdle) => ({ type: 'status' as const, isIdle })),
)
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      values: fc.array(value, { maxLength: 30 }),
      timestampMs: timestamp,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('event' as const), event }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('flush' as const, 'drain' as const, 'announce' as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('poll' as const), times: fc.integer({ min: 1, max: 5 }) }) },
)

const options = fc.record({
  segmentBytes: fc.constantFrom(4_096, 8_192, 65_536),
  buffersPerChannel: fc.integer({ min: 1, max: 3 }),
  floatingBuffersPerGate: fc.integer({ min: 0, max: 3 }),
})

function run(kind: ChannelKind, actions: readonly Action[], channelOptions: object): void {
  const { writer, reader } = twoEnds(kind, channelOptions)
  /** Written and not polled yet. */
  const expected: Carried[] = []
  let checkpointId = 0

  const poll = (): boolean => {
    const found = pollOnce(reader)
    if (found === undefined) return false
    assert.deepStrictEqual(found, expected.splice(0, found.length))
    return true
  }
  const announce = (): void => {
    const barrier: CheckpointBarrier = {
      checkpointId: ++checkpointId,
      timestampMs: 0,
      kind: 'checkpoint',
      mode: 'unaligned',
      alignTimeoutMs: 0,
    }
    const left = writer.announceBarrier(barrier)
    assert.deepStrictEqual(reader.pollPriority(), barrier)
    const saved = [...reader.snapshotInFlight(barrier), ...left].flatMap((bytes) => {
      const batch = readSavedBatch(bytes)
      return Array.from({ length: batch.count }, (_, i) => ({
        value: batch.read(i),
        timestampMs: batch.timestampMs(i),
      }))
    })
    assert.deepStrictEqual(
      saved,
      expected.filter((each) => 'value' in each),
    )
  }

  for (const each of actions) {
    switch (each.do) {
      case 'write':
        for (const written of each.values) {
          writer.write(written, each.timestampMs)
          expected.push({ value: written, timestampMs: each.timestampMs })
        }
        break
      case 'event':
        writer.emitEvent(each.event)
        expected.push({ event: each.event })
        break
      case 'flush':
        writer.flush()
        break
      case 'drain':
        writer.drain()
        break
      case 'announce':
        announce()
        break
      case 'poll':
        for (let i = 0; i < each.times; i++) poll()
    }
  }
  writer.emitEvent({ type: 'endOfInput' })
  expected.push({ event: { type: 'endOfInput' } })
  while (poll() || writer.isFull()) writer.drain()
  assert.deepStrictEqual(expected, [])
}

describe.each(['ring', 'local'] as const)('a %s channel', (kind) => {
  it('does what an array queue does', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), options, (actions, channelOptions) => {
        run(kind, actions, channelOptions)
      }),
      { numRuns: runs },
    )
  })
})
