/**
 * The shared memory of an exchange, laid out once by the coordinator: doorbells, a control area per ring, segments.
 * Nothing else computes these offsets. All control words are int32; positions count up and wrap at 2^32.
 *
 *   doorbells    64 bytes per slot          0 bell · 4 sleeping
 *   ring control, per channel between slots, each line written by one side only:
 *     line 0  producer   0 write position · 4 taken position (segments the writer has taken since the start)
 *     line 1  consumer   0 read position
 *     line 2  consumer   0 credit position (segments given to the writer since the start)
 *     line 3  producer   0 announcements (seqlock) · 4 descriptor position of the barrier · 8 … 63 the barrier
 *     line 4  consumer   0 reader closed
 *     descriptors        64 bytes × descriptorCount
 *     credits            4 bytes × creditCount: numbers of segments given to the writer
 *   segments     see memory/segment-layout.ts
 *
 *   descriptor   0 kind · 4 segment · 8 offset in the segment · 12 bytes · 16 number (schema, rows left of a large
 *                record) · 20 releases (1: the segment goes back once this has been read) · 24 … 63 an event
 */
import { MillraceError } from '../common/errors.ts'
import { segmentBytesDefault } from '../common/limits.ts'
import { alignUp } from '../memory/memory-views.ts'
import { cacheLineBytes, layOutSegments, type SegmentPoolLayout } from '../memory/segment-layout.ts'

/** Words (int32 indices) relative to a ring's control area. */
export const RingWord = {
  WritePosition: 0,
  TakenPosition: 1,
  ReadPosition: 16,
  CreditPosition: 32,
  Announcements: 48,
  AnnouncedPosition: 49,
  AnnouncedBarrier: 50,
  ReaderClosed: 64,
  Descriptors: 80,
} as const

/** Words within a descriptor. */
export const DescriptorWord = { Kind: 0, Segment: 1, Offset: 2, Bytes: 3, Number: 4, Releases: 5, Event: 6 } as const
export const descriptorWords = 16
/** Descriptors of a ring; a power of two. Full rings hold events and batches back in the writer. */
export const descriptorCount = 64

export const DescriptorKind = {
  Batch: 1,
  Event: 2,
  /** The region is a schema key; `number` is the schema's number in this channel. */
  Schema: 3,
  /** A part of a saved batch; the last one has number 0. */
  Fragment: 4,
  /** Nothing but the segment's return. */
  Release: 5,
} as const

/** A way from one producing to one consuming subtask, as the execution graph lists it. */
export interface ChannelSpec {
  readonly id: number
  readonly edgeIndex: number
  readonly sourceSubtask: number
  readonly targetSubtask: number
  readonly producerSlot: number
  readonly consumerSlot: number
}

export interface ExchangeOptions {
  readonly channels: readonly ChannelSpec[]
  readonly slotCount: number
  /** All slots run in one thread: every channel is a local queue. */
  readonly isLocal?: boolean
  /** Flink's `taskmanager.memory.segment-size`: a power of two. Default 65536. */
  readonly segmentBytes?: number
  /** Segments that each channel owns. Default 2. */
  readonly buffersPerChannel?: number
  /** Segments that the channels of a gate (an edge at one consuming subtask) share. Default 8. */
  readonly floatingBuffersPerGate?: number
}

export interface RingSpec {
  readonly channel: ChannelSpec
  readonly gate: string
  /** Int32 index of the control area. */
  readonly control: number
  readonly creditCount: number
  /** The segments that the writer has at the start. */
  readonly exclusive: readonly number[]
}

export interface GateSpec {
  readonly gate: string
  readonly floating: readonly number[]
}

/** Structured-cloneable: everything a slot needs to open its ends. */
export interface ExchangeDescription {
  readonly buffer: SharedArrayBuffer
  readonly slotCount: number
  readonly isLocal: boolean
  readonly segments: SegmentPoolLayout
  /** Ids of channels within a slot, which need no shared memory. */
  readonly local: readonly number[]
  readonly rings: readonly RingSpec[]
  readonly gates: readonly GateSpec[]
}

/** Allocates the memory of an exchange and puts it into its first state. MR_CONFIG_INVALID_VALUE names a bad option. */
export function layOutExchange(options: ExchangeOptions): ExchangeDescription {
  const { channels, slotCount, isLocal = false, segmentBytes = segmentBytesDefault } = options
  const exclusiveCount = wholeNumber('buffersPerChannel', options.buffersPerChannel ?? 2, 1)
  const floatingCount = wholeNumber('floatingBuffersPerGate', options.floatingBuffersPerGate ?? 8, 0)
  const isWithinSlot = (channel: ChannelSpec): boolean => isLocal || channel.producerSlot === channel.consumerSlot
  const between = channels.filter((channel) => !isWithinSlot(channel))

  let segment = 0
  const takeSegments = (count: number): number[] => Array.from({ length: count }, () => segment++)
  const creditCount = 2 ** Math.ceil(Math.log2(exclusiveCount + floatingCount))
  const controlBytes = alignUp((creditsOffset + creditCount) * 4, cacheLineBytes)
  const ringsStart = slotCount * cacheLineBytes
  const rings = between.map((channel, i) => ({
    channel,
    gate: gateOf(channel),
    control: (ringsStart + i * controlBytes) / 4,
    creditCount,
    exclusive: takeSegments(exclusiveCount),
  }))
  const gates = [...new Set(between.map(gateOf))].map((gate) => ({ gate, floating: takeSegments(floatingCount) }))
  const segments = layOutSegments(ringsStart + rings.length * controlBytes, segmentBytes, segment)
  const buffer = new SharedArrayBuffer(segments.totalBytes)
  const local = channels.filter(isWithinSlot).map(({ id }) => id)
  const description = { buffer, slotCount, isLocal, segments, local, rings, gates }
  resetExchange(description)
  return description
}

function gateOf(channel: ChannelSpec): string {
  return `${channel.edgeIndex}:${channel.targetSubtask}`
}

/** Puts an exchange back into its first state; no slot may have it open. */
export function resetExchange(description: ExchangeDescription): void {
  const words = new Int32Array(description.buffer, 0, description.segments.poolStart / 4)
  words.fill(0)
  for (const ring of description.rings) resetRing(words, ring)
}

/** Puts some channels back into their first state: no slot may have them, or another channel of their gates, open. */
export function resetChannels(description: ExchangeDescription, channels: readonly number[]): void {
  const words = new Int32Array(description.buffer, 0, description.segments.poolStart / 4)
  const ids = new Set(channels)
  for (const ring of description.rings) if (ids.has(ring.channel.id)) resetRing(words, ring)
}

function resetRing(words: Int32Array, { control, creditCount, exclusive }: RingSpec): void {
  const credits = control + creditsOffset
  words.fill(0, control, credits + creditCount)
  exclusive.forEach((segment, i) => (words[credits + i] = segment))
  Atomics.store(words, control + RingWord.CreditPosition, exclusive.length)
}

/** Word of a ring's first descriptor, and of its credits, from the control area's start. */
export const descriptorsOffset: number = RingWord.Descriptors
export const creditsOffset: number = RingWord.Descriptors + descriptorCount * descriptorWords

/** Int32 index of a slot's bell. */
export function bellIndex(slot: number): number {
  return (slot * cacheLineBytes) / 4
}

function wholeNumber(name: string, value: number, min: number): number {
  if (Number.isInteger(value) && value >= min) return value
  throw new MillraceError('MR_CONFIG_INVALID_VALUE', `${name} must be a whole number >= ${min}, got ${value}`)
}
