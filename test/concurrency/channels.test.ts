/**
 * Channels between real threads: random sizes, pauses, full and empty channels, and threads asleep on their bells.
 * Accepted outcome: every message exactly once, in order, with its event time and the watermarks between.
 */
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { layOutExchange } from '../../src/exchange/exchange.ts'
import type { ChannelTask, ConsumerTask } from './workers/channel-task.ts'

const messages = process.env['MILLRACE_FULL'] === '1' ? 3_000_000 : 500_000

function run<Report>(file: string, workerData: unknown): Promise<Report> {
  const worker = new Worker(new URL(`./workers/${file}`, import.meta.url), { workerData })
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error(`${file} ended without a report`)))
  })
}

it('carry a million messages from two threads to a third, exactly', { timeout: 300_000 }, async () => {
  const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000)
  console.log(`MILLRACE_SEED=${seed}`)
  const producers = [0, 1]
  const channels = producers.map((slot) => ({
    id: slot,
    edgeIndex: 0,
    sourceSubtask: slot,
    targetSubtask: 0,
    producerSlot: slot,
    consumerSlot: 2,
  }))
  const description = layOutExchange({
    channels,
    slotCount: 3,
    segmentBytes: 8_192,
    buffersPerChannel: 2,
    floatingBuffersPerGate: 3,
  })
  const seeds = producers.map((producer) => seed * 2 + producer)
  const consumer: ConsumerTask = { description, slot: 2, seeds, pauseSeed: seed }
  const [consumed, ...produced] = await Promise.all([
    run<{ sleeps: number; messages: number[] }>('channel-consumer.ts', consumer),
    ...producers.map((slot) => {
      const task: ChannelTask = { description, slot, channel: slot, seed: seeds[slot]!, messages }
      return run<{ sleeps: number; stats: { records: number } }>('channel-producer.ts', task)
    }),
  ])
  expect(consumed.messages).toEqual(producers.map(() => messages))
  for (const { stats } of produced) expect(stats.records).toBe(messages)
  console.log(
    `asleep: consumer ${consumed.sleeps}, producers ${produced.map(({ sleeps }) => sleeps).join(' and ')} times`,
  )
})
