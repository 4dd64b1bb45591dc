import { describe, expect, it } from 'vitest'
import { AsyncOperator, type AsyncFunction, type AsyncOptions } from '../../src/operators/async-operator.ts'
import { retryStrategies } from '../../src/operators/async-retry-strategy.ts'
import { type HarnessOptions, OperatorHarness } from '../../src/testing/operator-harness.ts'

/** Requests that the test answers. */
class Requests {
  readonly #pending = new Map<number, PromiseWithResolvers<readonly string[]>[]>()
  readonly asked: number[] = []

  readonly ask = (value: number): Promise<readonly string[]> => {
    const request = Promise.withResolvers<readonly string[]>()
    this.asked.push(value)
    this.#pending.set(value, [...(this.#pending.get(value) ?? []), request])
    return request.promise
  }

  answer(value: number, ...results: string[]): void {
    this.#pending.get(value)!.shift()!.resolve(results)
  }

  refuse(value: number, reason: string): void {
    this.#pending.get(value)!.shift()!.reject(new Error(reason))
  }
}

async function open(
  requests: Requests,
  options: Partial<AsyncOptions<number, string>> & Pick<AsyncFunction<number, string>, 'timeout'> = {},
  harness: Partial<HarnessOptions<number>> = {},
): Promise<OperatorHarness<number, string>> {
  const { timeout, ...rest } = options
  return OperatorHarness.open<number, string>({
    operator: () =>
      new AsyncOperator<number, string>(
        { asyncInvoke: requests.ask, ...(timeout === undefined ? {} : { timeout }) },
        { order: 'ordered', timeoutMs: 1_000, ...rest },
      ),
    ...harness,
  })
}

async function deliver(harness: OperatorHarness<number, string>): Promise<void> {
  await harness.mailPosted()
  harness.runMails()
}

const printed = (harness: OperatorHarness<number, string>): string[] =>
  harness.output.events.map((event) =>
    event.type === 'record'
      ? `${event.value}@${event.timestampMs}`
      : event.type === 'status'
        ? event.isIdle
          ? 'idle'
          : 'active'
        : `${event.type} ${(event as never)['timestampMs']}`,
  )

describe('asynchronous calls', () => {
  it('keeps the order of records and watermarks where asked to', async () => {
    const requests = new Requests()
    const harness = await open(requests)
    harness.processElement(1, 10)
    harness.processElement(2, 20)
    harness.processWatermark(20)
    harness.processElement(3, 30)
    requests.answer(3, 'c')
    await deliver(harness)
    requests.answer(2, 'b', 'B')
    await deliver(harness)
    expect(printed(harness)).toEqual([])
    requests.answer(1, 'a')
    await deliver(harness)
    expect(printed(harness)).toEqual(['a@10', 'b@20', 'B@20', 'watermark 20', 'c@30'])
  })

  it('emits as results come, but never across a watermark', async () => {
    const requests = new Requests()
    const harness = await open(requests, { order: 'unordered' })
    harness.processElement(1, 10)
    harness.processElement(2, 20)
    harness.processWatermark(20)
    harness.processElement(3, 30)
    requests.answer(3, 'c')
    await deliver(harness)
    requests.answer(2, 'b')
    await deliver(harness)
    expect(printed(harness)).toEqual(['b@20'])
    requests.answer(1, 'a')
    await deliver(harness)
    expect(printed(harness)).toEqual(['b@20', 'a@10', 'watermark 20', 'c@30'])
  })

  it('lets a change of status pass when what came before it has left', async () => {
    for (const order of ['ordered', 'unordered'] as const) {
      const requests = new Requests()
      const harness = await open(requests, { order })
      harness.processElement(1, 10)
      harness.processWatermark(10)
      harness.processStatus(true)
      harness.processStatus(false)
      harness.processElement(2, 20)
      requests.answer(2, 'b')
      await deliver(harness)
      expect(printed(harness)).toEqual([])
      requests.answer(1, 'a')
      await deliver(harness)
      harness.processStatus(true)
      expect(printed(harness)).toEqual(['a@10', 'watermark 10', 'idle', 'active', 'b@20', 'idle'])
    }
  })

  it('is full at its capacity until a result has left', async () => {
    const requests = new Requests()
    const harness = await open(requests, { capacity: 2 })
    harness.processElement(1)
    expect(harness.operator.isFull!()).toBe(false)
    harness.processElement(2)
    expect(harness.operator.isFull!()).toBe(true)
    requests.answer(2, 'b')
    await deliver(harness)
    expect(harness.operator.isFull!()).toBe(true)
    requests.answer(1, 'a')
    await deliver(harness)
    expect(harness.operator.isFull!()).toBe(false)
  })

  it('asks the time-out handler, and fails without one', async () => {
    const requests = new Requests()
    const harness = await open(requests, { timeout: (value) => [`late ${value}`] })
    harness.processElement(1, 10)
    harness.setProcessingTime(999)
    expect(harness.values()).toEqual([])
    harness.setProcessingTime(1_000)
    expect(harness.values()).toEqual(['late 1'])
    requests.answer(1, 'a')
    await new Promise((resolve) => setImmediate(resolve))
    expect(harness.values()).toEqual(['late 1'])

    const strict = await open(requests)
    strict.processElement(2, 10)
    expect(() => strict.setProcessingTime(1_000)).toThrow(expect.objectContaining({ code: 'MR_RUNTIME_TIMEOUT' }))
  })

  it('retries by exception and by result, with growing pauses, and then gives up', async () => {
    const requests = new Requests()
    const retry = retryStrategies.exponentialBackoff<string>(3, 10, 100, 3, {
      ifResult: (results) => results.length === 0,
      ifException: (error) => (error as Error).message === 'busy',
    })
    const harness = await open(requests, { retry })
    harness.processElement(7, 5)
    requests.refuse(7, 'busy')
    await deliver(harness)
    harness.setProcessingTime(9)
    expect(requests.asked).toEqual([7])
    harness.setProcessingTime(10)
    expect(requests.asked).toEqual([7, 7])
    requests.answer(7)
    await deliver(harness)
    harness.setProcessingTime(39)
    expect(requests.asked).toEqual([7, 7])
    harness.setProcessingTime(40)
    expect(requests.asked).toEqual([7, 7, 7])
    requests.refuse(7, 'busy')
    await harness.mailPosted()
    expect(() => harness.runMails()).toThrow(
      expect.objectContaining({
        code: 'MR_USER_FUNCTION_FAILED',
        message: expect.stringMatching(/attempt 3.*busy.*record 7/),
      }),
    )
  })

  it('asks again after a restore for what was in flight, and only for that', async () => {
    const requests = new Requests()
    const harness = await open(requests, { order: 'unordered' })
    harness.processElement(1, 10)
    harness.processElement(2, 20)
    requests.answer(2, 'b')
    await deliver(harness)
    const snapshot = await harness.snapshot()
    await harness.close()
    const again = new Requests()
    const next = await open(again, { order: 'unordered' }, { restore: [snapshot] })
    expect(again.asked).toEqual([1])
    again.answer(1, 'a')
    await next.endInputSettled()
    expect(printed(next)).toEqual(['a@10', 'watermark Infinity'])
  })

  it('emits everything at the end, through an output that is full after each record', async () => {
    const requests = new Requests()
    const harness = await open(requests, { order: 'unordered' }, { outputRoom: 1 })
    for (let i = 0; i < 5; i++) harness.processElement(i, i)
    for (let i = 0; i < 5; i++) requests.answer(i, `${i}`, `${i}'`)
    await harness.endInputSettled()
    expect(harness.values()).toHaveLength(10)
    expect(printed(harness).at(-1)).toBe('watermark Infinity')
  })
})
