/** Sources and sinks within real jobs, run in this thread. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  csv,
  customSink,
  fileLines,
  fileSink,
  generator,
  malformedRecords,
  socketText,
  StreamExecutionEnvironment,
  twoPhaseCommitSink,
  types,
} from '../../../src/index.ts'
import type { Sink } from '../../../src/connectors/sink.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const local = (parallelism = 1): StreamExecutionEnvironment =>
  StreamExecutionEnvironment.getExecutionEnvironment({ parallelism, configuration: { 'state.backend.type': 'heap' } })

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

function visibleLines(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n').slice(0, -1))
}

describe('in a job', () => {
  it('plain and compressed files are read by several subtasks', async () => {
    const folder = temporaryDirectory()
    for (let i = 0; i < 20; i++) {
      const text = numbers(500)
        .map((n) => `${i * 500 + n}\n`)
        .join('')
      writeFileSync(join(folder, `${i}.txt${i % 3 === 0 ? '.gz' : ''}`), i % 3 === 0 ? gzipSync(text) : text)
    }
    const lines = await local(3).source(fileLines(folder)).executeAndCollect()
    expect(lines.map(Number).toSorted((a, b) => a - b)).toEqual(numbers(10_000))
  })

  it('malformed rows go to the side output', async () => {
    const path = join(temporaryDirectory(), 'in.csv')
    writeFileSync(path, 'id,n\na,1\nb,x\nc,3\nd\n')
    const type = types.row({ id: types.text(), n: types.int32() })
    const rows = local().source(csv(path, { type, onError: 'side-output' }))
    const good = rows.map(({ id, n }) => `${id}=${n}`)
    const bad = rows.getSideOutput(malformedRecords).map(({ line, text }) => `line ${line}: ${text}`)
    expect((await good.union(bad).executeAndCollect()).toSorted()).toEqual(['a=1', 'c=3', 'line 3: b,x', 'line 5: d'])
  })

  it('a malformed row fails the job and leaves no output', async () => {
    const folder = temporaryDirectory()
    writeFileSync(join(folder, 'in.csv'), 'id,n\na,1\nb,x\n')
    const env = local(2)
    const type = types.row({ id: types.text(), n: types.int32() })
    env
      .source(csv(join(folder, 'in.csv'), { type }))
      .rebalance()
      .sinkTo(fileSink(join(folder, 'out')))
    await expect(env.execute()).rejects.toMatchObject({
      code: 'MR_FORMAT_MALFORMED',
      context: { file: join(folder, 'in.csv'), line: 3, offset: 9 },
    })
    expect(readdirSync(folder)).toEqual(['in.csv'])
  })

  it.each(['missing.txt', 'broken.gz'])('%s fails the job and leaves no output', async (name) => {
    const folder = temporaryDirectory()
    writeFileSync(join(folder, 'broken.gz'), gzipSync('x'.repeat(1000)).subarray(0, 20))
    const env = local(2)
    env.source(fileLines(join(folder, name))).sinkTo(fileSink(join(folder, 'out')))
    const code = name === 'broken.gz' ? 'MR_SOURCE_CORRUPT' : 'MR_SOURCE_NOT_FOUND'
    await expect(env.execute()).rejects.toMatchObject({ code })
    expect(readdirSync(folder)).toEqual(['broken.gz'])
  })

  it('an output that is there already fails the job before it starts', async () => {
    const out = temporaryDirectory()
    mkdirSync(join(out, 'old'))
    const env = local()
    const seen: number[] = []
    env
      .fromSequence(1, 3)
      .map((n) => (seen.push(n), n))
      .sinkTo(fileSink(out))
    await expect(env.execute()).rejects.toMatchObject({ code: 'MR_SINK_EXISTS' })
    expect([seen, readdirSync(out)]).toEqual([[], ['old']])
  })

  it('text comes from a socket until the server closes', async () => {
    const server = createServer((socket) => socket.end('to be\nor not'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as { port: number }
    const words = local()
      .source(socketText({ host: '127.0.0.1', port }))
      .flatMap((line) => line.split(' '))
    expect(await words.executeAndCollect()).toEqual(['to', 'be', 'or', 'not'])
  })

  it('a generator keeps its rate', async () => {
    const started = performance.now()
    const source = generator({ count: 60, ratePerSecond: 200, make: (n) => n })
    expect((await local(2).source(source).executeAndCollect()).toSorted((a, b) => a - b)).toEqual(numbers(60))
    expect(performance.now() - started).toBeGreaterThan(200)
  })

  it('a slow custom sink holds the source back', async () => {
    let waiting = 0
    let waitingMax = 0
    const seen: number[] = []
    const env = local()
    const source = generator({ count: 200, make: (n) => n })
    const write = async (n: number): Promise<void> => {
      waitingMax = Math.max(waitingMax, ++waiting)
      await new Promise((resolve) => setImmediate(resolve))
      waiting--
      seen.push(n)
    }
    env.source(source).sinkTo(customSink({ write }))
    await env.execute()
    expect(seen).toEqual(numbers(200))
    expect(waitingMax).toBe(1)
  })

  it.each(['twoPhaseCommitSink', 'customSink'])(
    'a %s whose function answers promises gets one record at a time, also where one record gives several',
    async (kind) => {
      let underWay = 0
      let underWayMax = 0
      const seen: number[] = []
      const take = async (n: number): Promise<void> => {
        underWayMax = Math.max(underWayMax, ++underWay)
        await new Promise((resolve) => setImmediate(resolve))
        seen.push(n)
        underWay--
      }
      const sink = twoPhaseCommitSink<number, number>(() => ({
        beginTransaction: () => 0,
        invoke: (_, n) => take(n),
        preCommit: () => expect(underWay).toBe(0),
        commit: () => {},
        abort: () => {},
      }))
      const env = local(1)
      env.enableCheckpointing(10, { dir: temporaryDirectory() })
      env
        .source(generator({ count: 20, make: (n) => n }))
        .flatMap((n) => Array.from({ length: 10 }, (_, i) => 10 * n + i))
        .sinkTo(kind === 'customSink' ? customSink({ write: take }) : (sink as Sink<number>))
      await env.execute()
      expect(underWayMax).toBe(1)
      expect(seen).toEqual(numbers(200))
    },
  )

  it('files of a checkpointed job appear while it runs, and hold every record once', async () => {
    const out = join(temporaryDirectory(), 'out')
    const env = local(2)
    env.enableCheckpointing(20, { dir: temporaryDirectory() })
    const source = generator({ count: 300, ratePerSecond: 600, make: (n) => n })
    let appearedAt = Number.POSITIVE_INFINITY
    env
      .source(source)
      .map((n) => {
        if (appearedAt > n && existsSync(out) && visibleLines(out).length > 0) appearedAt = n
        return n
      })
      .sinkTo(fileSink(out, { rolling: { onCheckpoint: true } }))
    await env.execute()
    expect(appearedAt).toBeLessThan(300)
    expect(
      visibleLines(out)
        .map(Number)
        .toSorted((a, b) => a - b),
    ).toEqual(numbers(300))
    expect(readdirSync(out).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it('transactions of a checkpointed job are committed once', async () => {
    const committed: number[][] = []
    const open = new Map<number, number[]>()
    let count = 0
    const env = local(2)
    env.enableCheckpointing(20, { dir: temporaryDirectory() })
    env.source(generator({ count: 200, ratePerSecond: 1000, make: (n) => n })).sinkTo(
      twoPhaseCommitSink<number, number>(() => ({
        beginTransaction: async () => {
          open.set(count, [])
          return count++
        },
        invoke: (id, n) => void open.get(id)!.push(n),
        preCommit: async () => {},
        commit: async (id) => {
          committed.push(open.get(id)!)
          open.delete(id)
        },
        abort: (id) => void open.delete(id),
      })),
    )
    await env.execute()
    expect(committed.flat().toSorted((a, b) => a - b)).toEqual(numbers(200))
    expect(committed.length).toBeGreaterThan(2)
    expect(open.size).toBe(0)
  })
})
