/**
 * The writing end of an edge at one subtask: all its channels behind one `emit`, which is generated per edge. Hot.
 *
 * Invariants
 * 1. Events go to every channel, in order with the records; latency markers to one after the other, as they would
 *    multiply otherwise.
 * 2. `isFull` is one load where the channels report their pressure (`openEdgeWriter` sees to it).
 */
import { unreachable } from '../common/assert.ts'
import { generate } from '../common/generated-code.ts'
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
  /** The text of `emit` and `isFull`, for loops that take it in whole. */
  readonly code: EmitCode
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

/** Statements that hand a record over, as text. */
export interface EmitCode {
  readonly bindings: Readonly<Record<string, unknown>>
  /** `names`: what the bindings are called where the text goes; `value` and `timestampMs`: expressions without effects. */
  emit(names: Readonly<Record<string, string>>, value: string, timestampMs: string): string
  /** An expression, true where a channel is full; undefined where only `EdgeWriter.isFull` knows. */
  isFull?(names: Readonly<Record<string, string>>): string
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
  const code =
    partitioning.kind === 'broadcast'
      ? broadcastCode(context)
      : emitCode(partitionerOf(partitioning, context), context, options.type)
  return new ChannelsWriter(withPressure(code, options.pressure), channels, options)
}

class ChannelsWriter implements EdgeWriter {
  readonly emit: Emit
  readonly code: EmitCode
  readonly #channels: readonly ChannelWriter[]
  readonly #targetSubtasks: readonly number[]
  readonly #pressure: Pressure | undefined
  #markers: number

  constructor(code: EmitCode, channels: readonly ChannelWriter[], options: EdgeWriterOptions) {
    this.emit = compileEmit(code)
    this.code = code
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
function hand(channel: string, value: string, timestampMs: string, slow: string): string {
  return `{ const channel = ${channel}, block = channel.block
  const answer = block.count < block.stride ? block.write(${value}, ${timestampMs}) : 0
  if (answer !== 1) ${slow}
}`
}

function writeSlow(value: string, timestampMs: string): string {
  return `channel.writeSlow(${value}, ${timestampMs}, answer)`
}

function emitCode(partitioner: Partitioner, { channels }: PartitionerContext, type: DataType | undefined): EmitCode {
  return {
    bindings: { ...partitioner.bindings, channels, isPlainObject },
    emit: (names, value, timestampMs) => {
      const slow = writeSlow(value, timestampMs)
      const copy = copyOf(type, value)
      const test = `if (answer === 2 || !${names.isPlainObject}(${value})) ${slow}`
      const orCopy = copy === undefined ? slow : `{ ${test}; else ${writeSlow(copy, timestampMs)} }`
      return hand(partitioner.select(names, value), value, timestampMs, orCopy)
    },
  }
}

/** Every channel takes every record. */
function broadcastCode({ channels }: PartitionerContext): EmitCode {
  return {
    bindings: { channels },
    emit: (names, value, timestampMs) =>
      `for (let c = 0; c < ${names.channels}.length; c++) ${hand(`${names.channels}[c]`, value, timestampMs, writeSlow(value, timestampMs))}`,
  }
}

function withPressure(code: EmitCode, pressure: Pressure | undefined): EmitCode {
  if (pressure === undefined) return code
  return {
    ...code,
    bindings: { ...code.bindings, pressure },
    isFull: (names) => `${names.pressure}.fullChannels !== 0`,
  }
}

function compileEmit({ bindings, emit }: EmitCode): Emit {
  const names = Object.fromEntries(Object.keys(bindings).map((name) => [name, name]))
  return generate<Emit>(bindings, `function emit(value, timestampMs) { ${emit(names, 'value', 'timestampMs')} }`)
}

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/** An expression for a copy of `value`, a plain object. */
function copyOf(type: DataType | undefined, value: string): string | undefined {
  if (type?.kind !== 'row' || type.nullable === true) return undefined
  const names = type.fields.map(({ name }) => JSON.stringify(name))
  if (names.some((name) => name === '"__proto__"')) return undefined
  return `{ ${names.map((name) => `${name}: ${value}[${name}]`).join(', ')} }`
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
