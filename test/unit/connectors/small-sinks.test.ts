import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { noTimestamp } from '../../../src/common/limits.ts'
import { Progress } from '../../../src/common/progress.ts'
import { collectSink, customSink, discard } from '../../../src/connectors/index.ts'
import { connectorContext } from '../../support/connector-context.ts'

describe('collectSink', () => {
  it('hands bounded batches over, the rest at the end of a batch of input', () => {
    const batches: number[][] = []
    const writer = collectSink<number>(() => ({ hand: (values) => void batches.push(values) })).createWriter(
      connectorContext(),
    )
    for (let i = 0; i < 1200; i++) writer.write(i, noTimestamp)
    writer.endOfBatch?.()
    writer.endOfBatch?.()
    expect(batches.map((batch) => batch.length)).toEqual([512, 512, 176])
    expect(batches.flat()).toEqual(Array.from({ length: 1200 }, (_, i) => i))
  })

  it('is full where its port is', () => {
    const writer = collectSink(() => ({ hand: () => {}, isFull: () => true })).createWriter(connectorContext())
    expect(writer.isFull?.()).toBe(true)
  })

  it('says that a function cannot be collected over threads', () => {
    const port = { hand: (values: unknown[]) => void structuredClone(values) }
    const writer = collectSink(() => port).createWriter(connectorContext())
    writer.write(() => 1, noTimestamp)
    expect(() => writer.flush(true)).toThrow(expect.objectContaining({ code: 'MR_DATA_NOT_SERIALIZABLE' }))
  })
})

describe('customSink', () => {
  it('gives what open answered to the other functions', async () => {
    const calls: unknown[] = []
    const sink = customSink<number, { id: number }>({
      open: async (task) => ({ id: task.subtaskIndex }),
      write: (value, handle) => void calls.push(['write', value, handle.id]),
      flush: (handle) => void calls.push(['flush', handle.id]),
      close: (handle) => void calls.push(['close', handle.id]),
    })
    const writer = sink.createWriter(connectorContext({ subtaskIndex: 3 }))
    await writer.open?.()
    writer.write(1, noTimestamp)
    expect(writer.flush(true)).toBe(Progress.Done)
    await writer.close?.()
    await writer.close?.()
    expect(calls).toEqual([
      ['write', 1, 3],
      ['flush', 3],
      ['close', 3],
    ])
  })

  it('takes no more while a write is under way, and flushes only when all have arrived', async () => {
    const context = connectorContext()
    const { promise, resolve } = Promise.withResolvers<void>()
    const writer = customSink<number>({ write: () => promise, flush: () => Promise.resolve() }).createWriter(context)
    await writer.open?.()
    writer.write(1, noTimestamp)
    expect(writer.isFull?.()).toBe(true)
    expect(writer.flush(false)).toBe(Progress.Blocked)
    expect(context.holds).toBe(1)
    resolve()
    await context.mailPosted()
    expect(writer.isFull?.()).toBe(false)
    context.runMails()
    expect(writer.flush(false)).toBe(Progress.Blocked)
    await context.mailPosted()
    expect(writer.flush(false)).toBe(Progress.Done)
    expect(context.holds).toBe(0)
  })

  it('fails the task where a write is rejected', async () => {
    const context = connectorContext()
    const writer = customSink({ write: () => Promise.reject(new Error('gone')) }).createWriter(context)
    await writer.open?.()
    writer.write(1, noTimestamp)
    await context.mailPosted()
    expect(() => {
      context.runMails()
      context.runMails()
    }).toThrow(expect.objectContaining({ code: 'MR_SINK_FAILED', message: 'gone' }))
    expect(() => writer.flush(false)).toThrow(expect.objectContaining({ code: 'MR_SINK_FAILED' }))
  })
})

describe('discard', () => {
  it('takes everything', () => {
    const writer = discard().createWriter(connectorContext())
    writer.write(1, noTimestamp)
    expect(writer.flush(true)).toBe(Progress.Done)
  })
})

describe('print', () => {
  const program = (body: string): string => `
    import { print } from ${JSON.stringify(new URL('../../../src/connectors/index.ts', import.meta.url).href)}
    import { connectorContext } from ${JSON.stringify(new URL('../../support/connector-context.ts', import.meta.url).href)}
    ${body}`

  const run = (body: string, shell: (node: string) => string = (node) => node): string => {
    const node = `${process.execPath} --input-type=module-typescript -e "$PROGRAM"`
    const env = { ...process.env, PROGRAM: program(body) }
    return spawnSync('sh', ['-c', shell(node)], { env, encoding: 'utf8', maxBuffer: 1 << 28 }).stdout
  }

  it('prints as Flink does: prefix and subtask, objects as JSON', () => {
    const body = `
      const writer = print({ prefix: 'p' }).createWriter(connectorContext({ subtaskIndex: 1, parallelism: 2 }))
      for (const value of ['a', 1.5, { b: [1n] }, null, new Date(0)]) writer.write(value, 0)
      writer.flush(true)
      const alone = print().createWriter(connectorContext())
      alone.write('alone', 0)
      alone.close()`
    expect(run(body)).toBe('p:2> a\np:2> 1.5\np:2> {"b":[1]}\np:2> null\np:2> 1970-01-01T00:00:00.000Z\nalone\n')
  })

  it('loses nothing to a slow reader of a non-blocking pipe', () => {
    const body = `
      process.stdout.write('')
      const context = connectorContext()
      const writer = print().createWriter(context)
      for (let i = 0; i < 40_000; i++) {
        writer.write('line ' + i, 0)
        while (writer.isFull()) { await context.mailPosted(); context.runMails() }
      }
      while (writer.flush(true) !== 3) { await context.mailPosted(); context.runMails() }
      writer.close()`
    const lines = run(body, (node) => `${node} | (sleep 0.3; cat)`)
      .trimEnd()
      .split('\n')
    expect(lines).toEqual(Array.from({ length: 40_000 }, (_, i) => `line ${i}`))
  })
})
