/** How the benches' workers wait: a few turns on the processor, then asleep on the bell, as slots do. */
import type { Exchange } from '../../src/exchange/exchange.ts'
import type { EdgeWriter } from '../../src/exchange/edge-writer.ts'
import type { ChannelReader, ChannelWriter } from '../../src/exchange/channel.ts'
import { Polled } from '../../src/exchange/channel.ts'

const spins = 200

export function drainFully(exchange: Exchange, writer: EdgeWriter | ChannelWriter): void {
  waitUntil(exchange, () => writer.drain())
}

/** Polls until something is there. */
export function pollWaiting(exchange: Exchange, reader: ChannelReader): Polled {
  let polled: Polled = reader.poll()
  if (polled !== Polled.Nothing) return polled
  waitUntil(exchange, () => (polled = reader.poll()) !== Polled.Nothing)
  return polled
}

export function waitUntil(exchange: Exchange, isReady: () => boolean): void {
  for (let i = 0; i < spins; i++) if (isReady()) return
  for (;;) {
    exchange.doorbell.prepareSleep()
    const ready = isReady()
    if (!ready) exchange.doorbell.sleep(1_000)
    exchange.doorbell.cancelSleep()
    if (ready) return
  }
}
