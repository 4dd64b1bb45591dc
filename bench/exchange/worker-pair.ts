/**
 * Two workers, a producer and a consumer, that do one piece of work after another on demand. A case of a bench is a
 * pair of functions in a workers' file: `producers[name](context)` and `consumers[name](context)`; the consumer's
 * number is the checksum.
 */
import { MessageChannel, type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads'
import { type ExchangeDescription, layOutExchange, resetExchange } from '../../src/exchange/exchange.ts'

export interface WorkContext {
  readonly items: number
  readonly description: ExchangeDescription
  /** A shared buffer for work without the exchange. */
  readonly shared: SharedArrayBuffer
  /** The other worker. */
  readonly peer: MessagePort
}

export type Work = (context: WorkContext) => number | Promise<number>

interface PairData {
  readonly role: 'producer' | 'consumer'
  readonly context: WorkContext
}

export interface WorkerPair {
  /** Runs a case in both workers. */
  run(name: string): Promise<number>
  /** Seconds on the processor that the last run of a case took in the producer and in the consumer. */
  readonly processorSeconds: ReadonlyMap<string, readonly [producer: number, consumer: number]>
  close(): Promise<void>
}

interface Answer {
  readonly checksum: number
  readonly processorSeconds: number
}

const sharedBytes = 2 ** 20

export function startPair(workersFile: URL, items: number): WorkerPair {
  const channel = { id: 0, edgeIndex: 0, sourceSubtask: 0, targetSubtask: 0, producerSlot: 0, consumerSlot: 1 }
  const description = layOutExchange({ channels: [channel], slotCount: 2 })
  const shared = new SharedArrayBuffer(sharedBytes)
  const { port1, port2 } = new MessageChannel()
  const start = (role: PairData['role'], peer: MessagePort): Worker => {
    const data: PairData = { role, context: { items, description, shared, peer } }
    // The engine's slots have a young generation of this size too.
    const resourceLimits = { maxYoungGenerationSizeMb: 128 }
    return new Worker(workersFile, { workerData: data, transferList: [peer], resourceLimits })
  }
  const workers = [start('producer', port1), start('consumer', port2)]
  const processorSeconds = new Map<string, readonly [number, number]>()
  const ask = (worker: Worker, name: string): Promise<Answer> =>
    new Promise((resolve, reject) => {
      worker.once('error', reject)
      worker.once('message', (answer: Answer) => {
        worker.off('error', reject)
        resolve(answer)
      })
      worker.postMessage(name)
    })
  return {
    async run(name) {
      resetExchange(description)
      new Int32Array(shared, 0, 64).fill(0)
      const [producer, consumer] = await Promise.all(workers.map((worker) => ask(worker, name)))
      processorSeconds.set(name, [producer!.processorSeconds, consumer!.processorSeconds])
      return consumer!.checksum
    },
    processorSeconds,
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}

/** Called by a workers' file. */
export function serve(producers: Readonly<Record<string, Work>>, consumers: Readonly<Record<string, Work>>): void {
  const { role, context } = workerData as PairData
  const works = role === 'producer' ? producers : consumers
  parentPort!.on('message', (name: string) => {
    const start = process.threadCpuUsage()
    void Promise.resolve(works[name]!(context)).then((checksum) => {
      const { user, system } = process.threadCpuUsage(start)
      const answer: Answer = { checksum, processorSeconds: (user + system) / 1e6 }
      parentPort!.postMessage(answer)
    })
  })
}
