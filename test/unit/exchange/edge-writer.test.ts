import { describe, expect, it } from 'vitest'
import { prng } from '../../../src/common/prng.ts'
import { keyGroupOf, keyGroupRangeOf } from '../../../src/data/key-groups.ts'
import { createEdgeWriter, openEdgeWriter } from '../../../src/exchange/edge-writer.ts'
import { layOutExchange, openExchange } from '../../../src/exchange/exchange.ts'
import type { EdgePartitioning } from '../../../src/exchange/partitioners/partitioner.ts'
import { pollOnce } from '../../support/two-ends.ts'

/** An edge from slot 0 to `count` subtasks, the first in slot 0 as well; and what each of them received. */
function openEdge(partitioning: EdgePartitioning, count: number, subtaskIndex = 0) {
  const channels = Array.from({ length: count }, (_, i) => ({
    id: i,
    edgeIndex: 0,
    sourceSubtask: 0,
    targetSubtask: i,
    producerSlot: 0,
    consumerSlot: i,
  }))
  const description = layOutExchange({ channels, slotCount: count, segmentBytes: 4096, floatingBuffersPerGate: 0 })
  const slots = channels.map((_, slot) => openExchange(description, [slot]))
  const edge = openEdgeWriter(slots[0]!, partitioning, channels, { maxParallelism: 128, subtaskIndex, prng: prng(3) })
  const readers = slots.map((slot, i) => slot.reader(i))
  const received = channels.map((): unknown[] => [])
  const receive = (): void => {
    for (let isMore = true; isMore;) {
      isMore = false
      for (const [i, reader] of readers.entries()) {
        for (let found = pollOnce(reader); found !== undefined; found = pollOnce(reader)) {
          received[i]!.push(...found.map((each) => ('event' in each ? each.event.type : each.value)))
          isMore = true
        }
      }
      edge.drain()
    }
  }
  return { edge, received, receive }
}

const numbers = Array.from({ length: 1000 }, (_, i) => i)

function dealOut(partitioning: EdgePartitioning, count: number, subtaskIndex = 0): unknown[][] {
  const { edge, received, receive } = openEdge(partitioning, count, subtaskIndex)
  for (const n of numbers) {
    edge.emit(n, n)
    if (edge.isFull()) receive()
  }
  edge.flush()
  receive()
  return received
}

describe('an edge', () => {
  it('keyBy: sends each key to the subtask that owns its key group', () => {
    const received = dealOut({ kind: 'hash', keySelector: (n: number) => `key ${n % 100}` }, 3)
    expect(received.flat()).toHaveLength(1000)
    received.forEach((values, subtask) => {
      const { first, last } = keyGroupRangeOf(subtask, 3, 128)
      for (const n of values as number[]) {
        expect(keyGroupOf(`key ${n % 100}`, 128)).toBeGreaterThanOrEqual(first)
        expect(keyGroupOf(`key ${n % 100}`, 128)).toBeLessThanOrEqual(last)
      }
      expect(values).toEqual((values as number[]).toSorted((a, b) => a - b))
    })
  })

  it('keyBy: refuses a record without a key', () => {
    const { edge } = openEdge({ kind: 'hash', keySelector: () => undefined }, 2)
    expect(() => edge.emit({}, 0)).toThrow(expect.objectContaining({ code: 'MR_STATE_NO_KEY' }))
  })

  it("rebalance and rescale: deal out in turns, beginning at the subtask's own index", () => {
    for (const kind of ['rebalance', 'rescale'] as const) {
      const received = dealOut({ kind }, 4, 6)
      expect(received.map((values) => values[0])).toEqual([2, 3, 0, 1])
      expect(received.map((values) => values.length)).toEqual([250, 250, 250, 250])
    }
  })

  it('shuffle: deals out evenly by chance, and the same way for the same seed', () => {
    const received = dealOut({ kind: 'shuffle' }, 4)
    for (const values of received) expect(Math.abs(values.length - 250)).toBeLessThan(60)
    expect(dealOut({ kind: 'shuffle' }, 4)).toEqual(received)
  })

  it('broadcast: every subtask gets everything', () => {
    for (const values of dealOut({ kind: 'broadcast' }, 3)) expect(values).toEqual(numbers)
  })

  it('global: the first subtask gets everything', () => {
    expect(dealOut({ kind: 'global' }, 3)).toEqual([numbers, [], []])
  })

  it("custom: the user's function names the subtask", () => {
    const keySelector = (n: number): string => String(n % 3)
    const received = dealOut({ kind: 'custom', keySelector, partition: (key: string) => 2 - Number(key) }, 3)
    expect(received.map((values) => values.slice(0, 2))).toEqual([
      [2, 5],
      [1, 4],
      [0, 3],
    ])
  })

  it.each([3, -1, 0.5, NaN, undefined])('custom: refuses the channel %s', (index) => {
    const { edge } = openEdge({ kind: 'custom', keySelector: (n: number) => n, partition: () => index as number }, 3)
    expect(() => edge.emit(1, 0)).toThrow(
      expect.objectContaining({ code: 'MR_USER_FUNCTION_FAILED', message: expect.stringContaining('0 … 2') }),
    )
  })

  it('sends events to every channel, and sums up what its channels did', () => {
    const { edge, received, receive } = openEdge({ kind: 'rebalance' }, 3)
    for (let i = 0; i < 6; i++) edge.emit({ n: i }, i)
    expect(edge.hasUnflushed()).toBe(true)
    edge.emitEvent({ type: 'watermark', timestampMs: 5 })
    edge.emitEvent({ type: 'endOfInput' })
    receive()
    expect(received).toEqual([
      [{ n: 0 }, { n: 3 }, 'watermark', 'endOfInput'],
      [{ n: 1 }, { n: 4 }, 'watermark', 'endOfInput'],
      [{ n: 2 }, { n: 5 }, 'watermark', 'endOfInput'],
    ])
    expect(edge.stats).toMatchObject({ records: 6, genericRecords: 0, heldBatches: 0 })
    expect(edge.stats.bytes).toBeGreaterThan(0)
  })

  it('is full while any channel is, and says for which subtasks something was overtaken', () => {
    const { edge, receive } = openEdge({ kind: 'custom', keySelector: (n: unknown) => n, partition: () => 1 }, 2)
    while (!edge.isFull()) edge.emit('some text', 1)
    expect(edge.drain()).toBe(false)
    const overtaken = edge.announceBarrier({
      checkpointId: 1,
      timestampMs: 0,
      kind: 'checkpoint',
      mode: 'unaligned',
      alignTimeoutMs: 0,
    })
    expect(overtaken.map(({ targetSubtask, batches }) => [targetSubtask, batches.length])).toEqual([
      [0, 0],
      [1, 1],
    ])
    receive()
    expect(edge.isFull()).toBe(false)
  })

  it('counts records that fit no columns, between slots only', () => {
    for (const [target, genericRecords] of [
      [0, 0],
      [1, 300],
    ]) {
      const { edge, receive } = openEdge(
        { kind: 'custom', keySelector: (n: unknown) => n, partition: () => target! },
        2,
      )
      for (let i = 0; i < 300; i++) edge.emit(i % 2 === 0 ? { a: i } : [i, { b: i }, 'x'], 1)
      edge.flush()
      receive()
      edge.flush()
      expect(edge.stats.genericRecords).toBe(genericRecords)
      edge.close()
      edge.close()
    }
  })

  it('works over channels of other makers', () => {
    const written: unknown[] = []
    const channel = {
      write: (value: unknown) => void written.push(value),
      emitEvent: () => {},
      isFull: () => written.length >= 2,
      drain: () => false,
      flush: () => {},
      hasUnflushed: () => false,
      announceBarrier: () => [],
      restore: () => {},
      stats: { records: 0, bytes: 0, heldBatches: 0, genericRecords: 0 },
      close: () => {},
    }
    const edge = createEdgeWriter({ kind: 'forward' }, [channel], { maxParallelism: 1 })
    edge.emit('a', 1)
    expect(edge.isFull()).toBe(false)
    edge.emit('b', 1)
    expect(edge.isFull()).toBe(true)
    expect(edge.drain()).toBe(false)
    expect(written).toEqual(['a', 'b'])
  })
})
