/**
 * The writing end of an edge at one subtask: all its channels behind one `emit`, which is generated per edge. Hot.
 *
 * Invariants
 * 1. Events go to every channel, in order with the records; latency markers to one after the other, as they would
 *    multiply otherwise.
 * 2. `isFull` is one load where the channels report their pressure (`openEdgeWriter` sees to it).
 */
import { unreachable } from '../common/assert.ts'
import { type Prng, prng } from '../common/prng.ts'
import type { DataType } from '../data/types.ts'
import type { ChannelWriter, ChannelWriterStats } from './channel.ts'
import { EdgeSchema } from './edge-schema.ts'
import type { ChannelSpec } from './exchange-layout.ts'
import { custom } from './partitioners/custom.ts'
import { hash } from './partitioners/hash.ts'
import type { EdgePartitioning, Partitioner, PartitionerContext } from './partitioners/partitioner.ts'
import { roundRobin } from './partitioners/round-robin.ts'
import { shuffle } from './partitioners/shuffle.ts'
import { single } from './partitioners/single.ts'
import { noBlock, type Pressure, type RecordPort } from './record-port.ts'
import type { CheckpointBarrier, StreamEvent } from './stream-event.ts'

export interface EdgeWriterOptions {
  readonly maxParallelism: number
  /** Index of the producing subtask. Default 0. */
  readonly subtaskIndex?: number
  /** For shuffle; default: seeded with the subtask's index. */
  readonly prng?: Prng
  /** Consuming subtasks, by channel; default 0, 1, … */
  readonly targetSubtasks?: readonly number[]
  /** Where the channels were opened with it. */
  readonly pressure?: Pressure
  /** Of the edge's records, where it is declared. */
  readonly type?: DataType
}

/** What had not left one channel's writer when a barrier overtook. */
export interface OvertakenOutput {
  readonly targetSubtask: number
  readonly batches: readonly Uint8Array[]
}

export interface EdgeWriter {
  emit(value: unknown, timestampMs: number): void
  /** To every channel; a latency marker to one of them. */
  emitEvent(event: StreamEvent): void
  isFull(): boolean
  /** Hands over what is held back; true where nothing is held back any more. */
  drain(): boolean
  flush(): void
  hasUnflushed(): boolean
  announceBarrier(barrier: CheckpointBarrier): readonly OvertakenOutput[]
  /** Sum over the channels. */
  readonly stats: ChannelWriterStats
  close(): void
}

/** Opens channels of an exchange for one edge, with one schema and one count of full channels for all of them. */
export function openEdgeWriter(
  exchange: { writer(channel: number, options: { schema: EdgeSchema; pressure: Pressure }): ChannelWriter },
  partitioning: EdgePartitioning,
  channels: readonly Pick<ChannelSpec, 'id' | 'targetSubtask'>[],
  options: Omit<EdgeWriterOptions, 'targetSubtasks' | 'pressure'>,
): EdgeWriter {
  const pressure: Pressure = { fullChannels: 0 }
  const schema = new EdgeSchema(options.type)
  const writers = channels.map(({ id }) => exchange.writer(id, { schema, pressure }))
  const targetSubtasks = channels.map(({ targetSubtask }) => targetSubtask)
  return createEdgeWriter(partitioning, writers, { ...options, targetSubtasks, pressure })
}

export function createEdgeWriter(
  partitioning: EdgePartitioning,
  channels: readonly ChannelWriter[],
  options: EdgeWriterOptions,
): EdgeWriter {
  const subtaskIndex = options.subtaskIndex ?? 0
  const context: PartitionerContext = {
    channels: channels.map(asPort),
    maxParallelism: options.maxParallelism,
    subtaskIndex,
    prng: options.prng ?? prng(subtaskIndex + 1),
  }
  const emit =
    partitioning.kind === 'broadcast'
      ? compileBroadcast(context)
      : compileEmit(partitionerOf(partitioning, context), context, options.type)
  return new ChannelsWriter(emit, channels, options)
}

class ChannelsWriter implements EdgeWriter {
  readonly emit: Emit
  readonly #channels: readonly ChannelWriter[]
  readonly #targetSubtasks: readonly number[]
  readonly #pressure: Pressure | undefined
  #markers: number

  constructor(emit: Emit, channels: readonly ChannelWriter[], options: EdgeWriterOptions) {
    this.emit = emit
    this.#channels = channels
    this.#targetSubtasks = options.targetSubtasks ?? channels.map((_, index) => index)
    this.#pressure = options.pressure
    this.#markers = options.subtaskIndex ?? 0
  }

  emitEvent(event: StreamEvent): void {
    if (event.type === 'latency') return this.#channels[this.#markers++ % this.#channels.length]?.emitEvent(event)
    for (const channel of this.#channels) channel.emitEvent(event)
  }

  isFull(): boolean {
    if (this.#pressure !== undefined) return this.#pressure.fullChannels > 0
    return this.#channels.some((channel) => channel.isFull())
  }

  drain(): boolean {
    if (!this.isFull()) return true
    let isDrained = true
    for (const channel of this.#channels) if (!channel.drain()) isDrained = false
    return isDrained
  }

  flush(): void {
    for (const channel of this.#channels) channel.flush()
  }

  hasUnflushed(): boolean {
    return this.#channels.some((channel) => channel.hasUnflushed())
  }

  announceBarrier(barrier: CheckpointBarrier): readonly OvertakenOutput[] {
    return this.#channels.map((channel, i) => ({
      targetSubtask: this.#targetSubtasks[i]!,
      batches: channel.announceBarrier(barrier),
    }))
  }

  get stats(): ChannelWriterStats {
    const sum = { records: 0, bytes: 0, heldBatches: 0, genericRecords: 0, segmentsInUse: 0 }
    for (const { stats } of this.#channels) {
      sum.records += stats.records
      sum.bytes += stats.bytes
      sum.heldBatches += stats.heldBatches
      sum.genericRecords += stats.genericRecords
      sum.segmentsInUse += stats.segmentsInUse ?? 0
    }
    return sum
  }

  close(): void {
    for (const channel of this.#channels) channel.close()
  }
}

type Emit = (value: unknown, timestampMs: number) => void

function partitionerOf(
  partitioning: Exclude<EdgePartitioning, { readonly kind: 'broadcast' }>,
  context: PartitionerContext,
): Partitioner {
  if (partitioning.kind === 'hash') return hash(partitioning.keySelector, context)
  if (partitioning.kind === 'custom') return custom(partitioning.keySelector, partitioning.partition, context)
  switch (partitioning.kind) {
    case 'rebalance':
    case 'rescale':
      return roundRobin(context)
    case 'shuffle':
      return shuffle(context)
    case 'forward':
    case 'global':
      return single()
    default:
      return unreachable(partitioning.kind as never)
  }
}

/**
 * Written.Full is 0, Wrote 1, Mismatch 2. A block that is full or closed is not called: the call would see the `write` of
 * whatever stands for no block, too, and V8 inlines a call only where it has seen one function.
 *
 * A record of a declared type that the block has no room for goes the slow way as a copy: so the record itself need not
 * exist as an object at all, where V8 sees its making and its end in one piece of code.
 */
function hand(type?: DataType): string {
  const slow = 'channel.writeSlow(value, timestampMs, answer)'
  const copy = copyOf(type)
  return `const block = channel.block
 const answer = block.count < block.stride ? block.write(value, timestampMs) : 0
 if (answer !== 1) {
   ${copy === undefined ? slow : `if (answer === 2 || !isPlainObject(value)) ${slow}; else channel.writeSlow(${copy}, timestampMs, answer)`}
 }`
}

/** An expression for a copy of `value`, a plain object. */
function copyOf(type: DataType | undefined): string | undefined {
  if (type?.kind !== 'row' || type.nullable === true) return undefined
  const names = type.fields.map(({ name }) => JSON.stringify(name))
  if (names.some((name) => name === '"__proto__"')) return undefined
  return `{ ${names.map((name) => `${name}: value[${name}]`).join(', ')} }`
}

function compileEmit(partitioner: Partitioner, { channels }: PartitionerContext, type: DataType | undefined): Emit {
  const bindings: Readonly<Record<string, unknown>> = { ...partitioner.bindings, channels, isPlainObject }
  const make = new Function(
    ...Object.keys(bindings),
    `'use strict'
    ${partitioner.state ?? ''}
    return function emit(value, timestampMs) {
      ${partitioner.select}
      ${hand(type)}
    }`,
  ) as (...values: unknown[]) => Emit
  return make(...Object.values(bindings))
}

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/** Every channel takes every record. */
function compileBroadcast({ channels }: PartitionerContext): Emit {
  const make = new Function(
    'channels',
    `'use strict'
    return function broadcast(value, timestampMs) {
      for (let i = 0; i < channels.length; i++) { const channel = channels[i]
        ${hand()}
      }
    }`,
  ) as (channels: readonly RecordPort[]) => Emit
  return make(channels)
}

/** Channels of other makers (tests) take every record the slow way. */
function asPort(channel: ChannelWriter): RecordPort {
  if ('writeSlow' in channel) return channel as RecordPort
  const port: RecordPort = Object.create(channel, {
    block: { value: noBlock },
    writeSlow: { value: (value: unknown, timestampMs: number) => channel.write(value, timestampMs) },
  })
  return port
}
