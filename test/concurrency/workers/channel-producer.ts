/** Sends a message stream through one channel; sleeps on its bell while the channel is full. */
import { parentPort, workerData } from 'node:worker_threads'
import { openExchange } from '../../../src/exchange/exchange.ts'
import type { ChannelTask } from './channel-task.ts'
import { MessageStream, pause } from './message-stream.ts'

const { description, slot, channel, seed, messages } = workerData as ChannelTask
const exchange = openExchange(description, [slot])
const writer = exchange.writer(channel)
const stream = new MessageStream(seed)
let sleeps = 0

function waitForRoom(): void {
  while (!writer.drain()) {
    exchange.doorbell.prepareSleep()
    if (!writer.drain()) {
      sleeps++
      exchange.doorbell.sleep(10_000)
    }
    exchange.doorbell.cancelSleep()
  }
}

for (let i = 0; i < messages; i++) {
  const { value, timestampMs } = stream.next()
  writer.write(value, timestampMs)
  const { watermark, flush, pauseTurns } = stream.after()
  if (watermark) writer.emitEvent({ type: 'watermark', timestampMs: i })
  if (flush) writer.flush()
  pause(pauseTurns)
  if (writer.isFull()) waitForRoom()
}
writer.emitEvent({ type: 'endOfInput' })
waitForRoom()
parentPort!.postMessage({ sleeps, stats: { ...writer.stats } })
