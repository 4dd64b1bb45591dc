/**
 * Worker threads for slots, by piscina: as many threads as slots, one long task each. The only importer of piscina.
 * Thread: the coordinator's.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { MillraceError } from '../common/errors.ts'
import { noteHungCall } from '../common/hung-calls.ts'
import { isWithin, systemTimers } from '../common/timers.ts'
import type { SlotDeployment, SlotReport } from '../runtime/deployment.ts'
import { heapOverflow, heapReserveMb } from '../runtime/heap-watch.ts'
import { guardHeap } from './heap-guard.ts'
import type { RunningSlot, Slots } from './slots.ts'

export interface SlotPoolOptions {
  /** Of the job's module, which every slot imports. */
  readonly moduleUrl: string
  readonly slotCount: number
  /** What a slot may hold on its JavaScript heap, in MiB; V8's own limit is above it. */
  readonly heapPerSlotMb: number
  /** How long threads may take to end when the pool is closed. */
  readonly endTimeoutMs: number
}

const youngGenerationMb = 128
/** How long the last report of a slot may take to arrive once its function has returned. */
const lastWordMsMax = 10_000

export class SlotPool implements Slots {
  readonly #piscina: Piscina
  readonly #moduleUrl: string
  readonly #heapPerSlotMb: number
  readonly #endTimeoutMs: number

  constructor({ moduleUrl, slotCount, heapPerSlotMb, endTimeoutMs }: SlotPoolOptions) {
    this.#moduleUrl = moduleUrl
    this.#endTimeoutMs = endTimeoutMs
    this.#heapPerSlotMb = heapPerSlotMb
    this.#piscina = new Piscina({
      filename: workerUrl(),
      minThreads: slotCount,
      maxThreads: slotCount,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      env: workerEnvironment(),
      resourceLimits: {
        maxOldGenerationSizeMb: heapPerSlotMb + heapReserveMb,
        maxYoungGenerationSizeMb: youngGenerationMb,
      },
    })
    // Without a listener a dying idle thread would end the process; running tasks report by their own rejection.
    this.#piscina.on('error', () => {})
  }

  start(deployment: SlotDeployment, onReport: (report: SlotReport) => void): RunningSlot {
    const slot = deployment.slots[0]!
    const heapLimitBytes = this.#heapPerSlotMb * 2 ** 20
    let overflow: MillraceError | undefined
    let stopGuard = (): void => {}
    const onOverflow = (usedBytes: number): void => {
      overflow = heapOverflow(slot, usedBytes, heapLimitBytes)
      abort.abort()
    }
    let exited = Promise.resolve()
    let isTerminated = false
    const { port1, port2 } = new MessageChannel()
    let tellLastWord = (): void => {}
    const lastWord = new Promise<boolean>((resolve) => (tellLastWord = () => resolve(true)))
    port1.on('message', (report: SlotReport) => {
      onReport(report)
      if (report.type === 'hello') {
        const thread = this.#piscina.threads.find(({ threadId }) => threadId === report.threadId)
        if (thread === undefined) return
        exited = new Promise((resolve) => thread.once('exit', () => resolve()))
        stopGuard = guardHeap(thread, heapLimitBytes, onOverflow)
      }
      if (report.type === 'ended' || report.type === 'failed') tellLastWord()
      // A thread whose heap is full is of no use to the next slot.
      if (report.type === 'failed' && report.error.code === 'MR_WORKER_OUT_OF_MEMORY') abort.abort()
    })
    const leave = (): void => {
      stopGuard()
      port1.close()
    }
    const abort = new AbortController()
    const run = this.#piscina.run(
      { moduleUrl: this.#moduleUrl, deployment, port: port2, heapLimitBytes },
      { transferList: [port2], signal: abort.signal },
    ) as Promise<void>
    const ended = run.then(
      async () => {
        // What the slot posted may still be on its way; its last word is `ended` or `failed`.
        const hasCome = await Promise.race([lastWord, sleep(lastWordMsMax, false, { ref: false })])
        leave()
        if (hasCome) return
        throw new MillraceError(
          'MR_RUNTIME_TIMEOUT',
          `slot ${slot} ended, but did not say how within ${lastWordMsMax} ms`,
        )
      },
      async (error: unknown) => {
        leave()
        // Piscina does not wait for a thread that it ends, and what that has begun is done until it has ended.
        if (isTerminated) await exited
        throw overflow ?? workerFailure(error, slot, this.#heapPerSlotMb)
      },
    )
    // The job master awaits it later; until then a rejection is not unhandled.
    ended.catch(() => {})
    const terminate = (): void => {
      isTerminated = true
      abort.abort()
    }
    return { send: (command) => port1.postMessage(command), ended, terminate }
  }

  /** A thread that does not end is left to the end of the process. */
  async close(): Promise<void> {
    if (await isWithin(systemTimers, this.#piscina.destroy(), this.#endTimeoutMs)) return
    noteHungCall('a thread of the slots')
  }
}

/** The worker's file, with the extension that this file has: `.ts` in a checkout's tests, `.js` in dist. */
function workerUrl(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return new URL(`../runtime/slot-worker.${extension}`, import.meta.url).href
}

/**
 * With the directory in which Node keeps compiled code from run to run: a worker learns it from its environment only,
 * and `enableCompileCache` in its code would come after its imports.
 */
function workerEnvironment(): NodeJS.ProcessEnv {
  const { env } = process
  if (env.NODE_COMPILE_CACHE !== undefined || env.NODE_DISABLE_COMPILE_CACHE !== undefined) return env
  return { ...env, NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache') }
}

function workerFailure(error: unknown, slot: number, heapPerSlotMb: number): MillraceError {
  const { code, message } = error as { code?: unknown; message?: string }
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') {
    const limits = `its limit is ${heapPerSlotMb} MiB, V8's ${heapPerSlotMb + heapReserveMb} MiB`
    return new MillraceError('MR_WORKER_OUT_OF_MEMORY', `slot ${slot} ran out of heap (${limits}): ${message}`, {
      cause: error,
    })
  }
  return new MillraceError('MR_WORKER_DIED', `slot ${slot} ended unexpectedly: ${message ?? String(error)}`, {
    cause: error,
  })
}
