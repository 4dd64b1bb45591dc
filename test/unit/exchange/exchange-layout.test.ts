import { expect, it } from 'vitest'
import { codeOf } from '../../../src/common/errors.ts'
import { layOutExchange } from '../../../src/exchange/exchange.ts'
import { creditsOffset } from '../../../src/exchange/exchange-layout.ts'
import { segmentStart } from '../../../src/memory/segment-layout.ts'

const channel = (id: number, producerSlot: number, consumerSlot: number, edgeIndex = 0) => ({
  id,
  edgeIndex,
  sourceSubtask: producerSlot,
  targetSubtask: consumerSlot,
  producerSlot,
  consumerSlot,
})

const allToAll = (slots: number) =>
  Array.from({ length: slots * slots }, (_, id) => channel(id, Math.floor(id / slots), id % slots))

it('gives every ring and segment memory of its own', () => {
  const { rings, gates, segments, buffer, local } = layOutExchange({ channels: allToAll(3), slotCount: 3 })
  expect(local).toEqual([0, 4, 8])
  expect(rings).toHaveLength(6)
  const areas = rings.map(({ control, creditCount }) => [control * 4, (control + creditsOffset + creditCount) * 4])
  for (const [i, [start, end]] of areas.entries()) {
    expect(start! % 64).toBe(0)
    expect(start).toBeGreaterThanOrEqual(i === 0 ? 3 * 64 : areas[i - 1]![1]!)
    expect(end).toBeLessThanOrEqual(segments.poolStart)
  }
  const numbers = [...rings.flatMap((ring) => ring.exclusive), ...gates.flatMap((gate) => gate.floating)]
  expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 6 * 2 + 3 * 8 }, (_, i) => i))
  expect(segmentStart(segments, segments.segmentCount)).toBe(buffer.byteLength)
})

it('needs no segments where all slots share a thread', () => {
  const { rings, segments } = layOutExchange({ channels: allToAll(4), slotCount: 4, isLocal: true })
  expect(rings).toEqual([])
  expect(segments.segmentCount).toBe(0)
})

it.each([
  [{ segmentBytes: 5000 }, 'segmentBytes must be a power of two in 4096 … 16777216, got 5000'],
  [{ segmentBytes: 2048 }, 'got 2048'],
  [{ buffersPerChannel: 0 }, 'buffersPerChannel must be a whole number >= 1, got 0'],
  [{ floatingBuffersPerGate: 1.5 }, 'floatingBuffersPerGate must be a whole number >= 0, got 1.5'],
  [{ segmentBytes: 2 ** 24, buffersPerChannel: 1024 }, 'lower the parallelism, the segment size'],
])('refuses %j', (options, message) => {
  try {
    layOutExchange({ channels: allToAll(3), slotCount: 3, ...options })
    expect.unreachable()
  } catch (error) {
    expect(codeOf(error)).toBe('MR_CONFIG_INVALID_VALUE')
    expect((error as Error).message).toContain(message)
  }
})
