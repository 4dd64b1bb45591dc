/** Producers and consumers of rows of three numbers: in columns, as objects, as plain bytes, by postMessage. */
import { noTimestamp } from '../../src/common/limits.ts'
import type { BlockDecoder } from '../../src/data/block-decoder.ts'
import { types } from '../../src/data/types.ts'
import { Polled } from '../../src/exchange/channel.ts'
import { EdgeSchema } from '../../src/exchange/edge-schema.ts'
import { openEdgeWriter } from '../../src/exchange/edge-writer.ts'
import { openExchange } from '../../src/exchange/exchange.ts'
import type { RingWriter } from '../../src/exchange/ring-writer.ts'
import { drainFully, pollWaiting, waitUntil } from './waiting.ts'
import { serve, type Work } from './worker-pair.ts'

interface Row {
  readonly a: number
  readonly b: number
  readonly c: number
}

const rowType = types.row({ a: types.float64(), b: types.float64(), c: types.float64() })
const chunkRows = 2_728
const chunkNumbers = chunkRows * 3
const sourceRows = chunkRows * 6

/** What producers send, over and over: by column, as chunks of three columns, as objects. */
const columns = [0, 1, 2].map((column) => Float64Array.from({ length: sourceRows }, (_, i) => i * (column + 1) + 0.5))
const chunks = Array.from({ length: 6 }, (_, chunk) => {
  const numbers = new Float64Array(chunkNumbers)
  columns.forEach((column, i) =>
    numbers.set(column.subarray(chunk * chunkRows, (chunk + 1) * chunkRows), i * chunkRows),
  )
  return numbers
})
const objects: readonly Row[] = columns[0]!.reduce<Row[]>((rows, a, i) => {
  rows.push({ a, b: columns[1]![i]!, c: columns[2]![i]! })
  return rows
}, [])

/** Checks the rows whose number is a multiple of 64, and counts all; cheap beside a copy. */
class Checksum {
  rows = 0
  #sum = 0

  take(numbers: Float64Array, count: number, starts: readonly [a: number, b: number, c: number]): void {
    const first = (64 - (this.rows % 64)) % 64
    for (let i = first; i < count; i += 64) {
      this.#sum += numbers[starts[0] + i]! + 3 * numbers[starts[1] + i]! + 7 * numbers[starts[2] + i]!
    }
    this.rows += count
  }

  takeRow(row: Row): void {
    if (this.rows % 64 === 0) this.#sum += row.a + 3 * row.b + 7 * row.c
    this.rows++
  }

  get value(): number {
    return this.#sum + this.rows
  }
}

// --- columns through the exchange ---

const sendColumns: Work = ({ items, description }) => {
  const exchange = openExchange(description, [0])
  const writer = exchange.writer(0, { schema: new EdgeSchema(rowType.dataType) }) as RingWriter
  const { f64 } = writer.views
  let sent = 0
  let rows = 0
  const claim = (): boolean => (rows = writer.claimRows(Math.min(items - sent, sourceRows - (sent % sourceRows)))) > 0
  while (sent < items) {
    if (!claim()) waitUntil(exchange, claim)
    const from = sent % sourceRows
    for (let i = 0; i < 3; i++) f64.set(columns[i]!.subarray(from, from + rows), writer.column(i))
    writer.commitRows(rows)
    sent += rows
  }
  writer.emitEvent({ type: 'endOfInput' })
  drainFully(exchange, writer)
  return 0
}

const receiveColumns: Work = ({ description }) => {
  const exchange = openExchange(description, [1])
  const reader = exchange.reader(0)
  const own = new Float64Array(chunkNumbers)
  const checksum = new Checksum()
  while (pollWaiting(exchange, reader) === Polled.Batch) {
    const batch = reader.batch as BlockDecoder
    const { count } = batch
    for (let i = 0; i < 3; i++) {
      const start = batch.columnStart(i)
      own.set(batch.f64.subarray(start, start + count), i * count)
    }
    checksum.take(own, count, [0, count, 2 * count])
  }
  return checksum.value
}

// --- objects through the exchange ---

const sendObjects: Work = ({ items, description }) => {
  const exchange = openExchange(description, [0])
  const edge = openEdgeWriter(exchange, { kind: 'forward' }, [{ id: 0, targetSubtask: 0 }], {
    maxParallelism: 128,
    type: rowType.dataType,
  })
  for (let i = 0, at = 0; i < items; i++) {
    edge.emit(objects[at], noTimestamp)
    at = at + 1 === sourceRows ? 0 : at + 1
    if (edge.isFull()) drainFully(exchange, edge)
  }
  edge.emitEvent({ type: 'endOfInput' })
  drainFully(exchange, edge)
  return 0
}

const receiveObjects: Work = ({ description }) => {
  const exchange = openExchange(description, [1])
  const reader = exchange.reader(0)
  const checksum = new Checksum()
  const kept: Row[] = Array.from({ length: 256 })
  while (pollWaiting(exchange, reader) === Polled.Batch) {
    const { batch } = reader
    for (let i = 0; i < batch.count; i++) {
      const row = batch.read(i) as Row
      kept[i & 255] = row
      checksum.takeRow(row)
    }
  }
  return checksum.value
}

// --- a plain copy through one shared buffer: 16 slots of one chunk, two positions ---

const copySlots = 14
const slotStart = (slot: number): number => 32 + slot * chunkNumbers

const sendPlain: Work = ({ items, shared }) => {
  const positions = new Int32Array(shared, 0, 32)
  const numbers = new Float64Array(shared)
  for (let sent = 0, chunk = 0; sent < items; sent += chunkRows, chunk++) {
    while (chunk - Atomics.load(positions, 16) >= copySlots) waitFor(positions, 16, chunk - copySlots)
    numbers.set(chunks[chunk % 6]!, slotStart(chunk % copySlots))
    Atomics.store(positions, 0, chunk + 1)
    Atomics.notify(positions, 0)
  }
  return 0
}

const receivePlain: Work = ({ items, shared }) => {
  const positions = new Int32Array(shared, 0, 32)
  const numbers = new Float64Array(shared)
  const own = new Float64Array(chunkNumbers)
  const checksum = new Checksum()
  for (let chunk = 0; checksum.rows < items; chunk++) {
    while (Atomics.load(positions, 0) <= chunk) waitFor(positions, 0, chunk)
    const start = slotStart(chunk % copySlots)
    own.set(numbers.subarray(start, start + chunkNumbers))
    Atomics.store(positions, 16, chunk + 1)
    Atomics.notify(positions, 16)
    checksum.take(own, Math.min(chunkRows, items - checksum.rows), [0, chunkRows, 2 * chunkRows])
  }
  return checksum.value
}

function waitFor(positions: Int32Array, index: number, value: number): void {
  for (let i = 0; i < 200; i++) if (Atomics.load(positions, index) !== value) return
  Atomics.wait(positions, index, value, 1_000)
}

// --- postMessage of arrays of objects ---

const messageRows = 1_000
const messagesAhead = 16

const sendMessages: Work = async ({ items, peer }) => {
  let acknowledged = 0
  let wake = (): void => {}
  const onMessage = (): void => {
    acknowledged++
    wake()
  }
  peer.on('message', onMessage)
  let sent = 0
  for (let message = 0; sent < items; message++) {
    const from = sent % (sourceRows - (sourceRows % messageRows))
    const rows = Math.min(messageRows, items - sent)
    peer.postMessage({ rows: objects.slice(from, from + rows), isLast: sent + rows === items })
    sent += rows
    while (message + 1 - acknowledged >= messagesAhead) await new Promise<void>((resolve) => (wake = resolve))
  }
  peer.off('message', onMessage)
  return 0
}

const receiveMessages: Work = ({ peer }) => {
  const checksum = new Checksum()
  return new Promise((resolve) => {
    const onMessage = (message: { readonly rows: readonly Row[]; readonly isLast: boolean }): void => {
      for (const row of message.rows) checksum.takeRow(row)
      peer.postMessage(0)
      if (!message.isLast) return
      peer.off('message', onMessage)
      resolve(checksum.value)
    }
    peer.on('message', onMessage)
  })
}

serve(
  { columns: sendColumns, objects: sendObjects, plain: sendPlain, messages: sendMessages },
  { columns: receiveColumns, objects: receiveObjects, plain: receivePlain, messages: receiveMessages },
)
