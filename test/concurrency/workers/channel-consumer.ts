/** Reads several channels in turn and compares everything with the streams that it expects. */
import assert from 'node:assert/strict'
import { parentPort, workerData } from 'node:worker_threads'
import { prng } from '../../../src/common/prng.ts'
import { type ChannelReader, Polled } from '../../../src/exchange/channel.ts'
import { openExchange } from '../../../src/exchange/exchange.ts'
import type { ConsumerTask } from './channel-task.ts'
import { MessageStream, pause } from './message-stream.ts'

const { description, slot, seeds, pauseSeed } = workerData as ConsumerTask
const exchange = openExchange(description, [slot])
const random = prng(pauseSeed)

class Lane {
  readonly reader: ChannelReader
  readonly #stream: MessageStream
  messages = 0
  isEnded = false
  #watermarkDue = false

  constructor(channel: number, seed: number) {
    this.reader = exchange.reader(channel)
    this.#stream = new MessageStream(seed)
  }

  /** True where something was there. */
  turn(): boolean {
    const polled = this.reader.poll()
    if (polled === Polled.Batch) this.#takeBatch()
    else if (polled === Polled.Event) this.#takeEvent()
    return polled !== Polled.Nothing
  }

  #takeBatch(): void {
    const { batch } = this.reader
    for (let i = 0; i < batch.count; i++) {
      assert.equal(this.#watermarkDue, false, `message ${this.messages}: a watermark was due`)
      const expected = this.#stream.next()
      const value = batch.read(i)
      if (batch.timestampMs(i) !== expected.timestampMs || !isSame(value, expected.value)) {
        assert.deepStrictEqual({ value, timestampMs: batch.timestampMs(i) }, expected, `message ${this.messages}`)
      }
      this.messages++
      this.#watermarkDue = this.#stream.after().watermark
    }
  }

  #takeEvent(): void {
    const { event } = this.reader
    if (event.type === 'endOfInput') this.isEnded = true
    else {
      assert.deepStrictEqual(event, { type: 'watermark', timestampMs: this.messages - 1 })
      assert.equal(this.#watermarkDue, true)
      this.#watermarkDue = false
    }
  }
}

/** The common shape fast, everything else by deepStrictEqual. */
function isSame(actual: unknown, expected: unknown): boolean {
  const { n, text } = actual as { n: number; text: unknown }
  const other = expected as { n: number; text: unknown }
  return typeof text === 'string' && n === other.n && text === other.text
}

const lanes = seeds.map((seed, channel) => new Lane(channel, seed))
let sleeps = 0
const turnAll = (): boolean => {
  let found = false
  for (const lane of lanes) if (!lane.isEnded && lane.turn()) found = true
  return found
}
while (lanes.some((lane) => !lane.isEnded)) {
  if (turnAll()) {
    if (random.nextBelow(200) === 0) pause(random.nextBelow(2_000_000))
    continue
  }
  exchange.doorbell.prepareSleep()
  if (!turnAll()) {
    sleeps++
    exchange.doorbell.sleep(10_000)
  }
  exchange.doorbell.cancelSleep()
}
exchange.close()
parentPort!.postMessage({ sleeps, messages: lanes.map((lane) => lane.messages) })
