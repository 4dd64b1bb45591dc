/**
 * Events as words of a descriptor: 40 bytes at most.
 *
 *   0 type · 1 small number (idle; kind and mode of a barrier; subtask) · 2–3 f64 · 4–5 f64 · 6–7 f64
 *   latency markers: 2–3 time · 4 … 9 one byte (bytes of the id, 128: as hex digits) and the operator id, 23 at most
 */
import { assert } from '../common/assert.ts'
import { MillraceError } from '../common/errors.ts'
import type { MemoryViews } from '../memory/memory-views.ts'
import type { CheckpointBarrier, StreamEvent } from './stream-event.ts'

const EventType = { Watermark: 1, Status: 2, Barrier: 3, Latency: 4, EndOfInput: 5 } as const
const barrierKinds: readonly CheckpointBarrier['kind'][] = [
  'checkpoint',
  'savepoint',
  'stop-drain',
  'stop-suspend',
  'final',
]
const barrierModes: readonly CheckpointBarrier['mode'][] = ['aligned', 'unaligned', 'at-least-once']
const operatorIdBytes = 24

/** Writes an event at an even word. */
export function writeEvent(views: MemoryViews, word: number, event: StreamEvent): void {
  const { i32, f64 } = views
  const number = word / 2
  switch (event.type) {
    case 'watermark':
      i32[word] = EventType.Watermark
      f64[number + 1] = event.timestampMs
      return
    case 'status':
      i32[word] = EventType.Status
      i32[word + 1] = event.isIdle ? 1 : 0
      return
    case 'barrier':
      i32[word] = EventType.Barrier
      return writeBarrier(views, word, event.barrier)
    case 'latency': {
      const id = event.operatorId
      const isHex = /^[0-9a-f]{32}$/.test(id)
      const bytes = Buffer.from(id, isHex ? 'hex' : 'latin1')
      assert(bytes.length < operatorIdBytes, `expected an operator id of 32 hex digits, got ${id}`)
      i32[word] = EventType.Latency
      i32[word + 1] = event.subtaskIndex
      f64[number + 1] = event.markedMs
      const at = (word + 4) * 4
      views.u8[at] = (isHex ? 128 : 0) | bytes.length
      views.u8.set(bytes, at + 1)
      return
    }
    case 'endOfInput':
      i32[word] = EventType.EndOfInput
  }
}

export function readEvent(views: MemoryViews, word: number): StreamEvent {
  const { i32, f64, u8 } = views
  const number = word / 2
  switch (i32[word]) {
    case EventType.Watermark:
      return { type: 'watermark', timestampMs: f64[number + 1]! }
    case EventType.Status:
      return { type: 'status', isIdle: i32[word + 1] === 1 }
    case EventType.Barrier:
      return { type: 'barrier', barrier: readBarrier(views, word) }
    case EventType.Latency: {
      const at = (word + 4) * 4
      const header = u8[at]!
      const bytes = Buffer.from(u8.subarray(at + 1, at + 1 + (header & 127)))
      const operatorId = bytes.toString(header >= 128 ? 'hex' : 'latin1')
      return { type: 'latency', markedMs: f64[number + 1]!, operatorId, subtaskIndex: i32[word + 1]! }
    }
    case EventType.EndOfInput:
      return { type: 'endOfInput' }
    default:
      throw new MillraceError('MR_INTERNAL', `unknown event ${i32[word]} in a ring`)
  }
}

/** Writes a barrier's fields behind the event type: words 1 … 7. */
export function writeBarrier(views: MemoryViews, word: number, barrier: CheckpointBarrier): void {
  const number = word / 2
  views.i32[word + 1] = barrierKinds.indexOf(barrier.kind) * 8 + barrierModes.indexOf(barrier.mode)
  views.f64[number + 1] = barrier.checkpointId
  views.f64[number + 2] = barrier.timestampMs
  views.f64[number + 3] = barrier.alignTimeoutMs
}

export function readBarrier(views: MemoryViews, word: number): CheckpointBarrier {
  const number = word / 2
  const small = views.i32[word + 1]!
  return {
    checkpointId: views.f64[number + 1]!,
    timestampMs: views.f64[number + 2]!,
    kind: barrierKinds[small >> 3]!,
    mode: barrierModes[small & 7]!,
    alignTimeoutMs: views.f64[number + 3]!,
  }
}
