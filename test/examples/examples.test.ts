import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { finished, millrace, node, printed, startMillrace } from '../support/millrace-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** Lines `word<TAB>count` of all part files. */
function counts(directory: string): Map<string, number> {
  const lines = readdirSync(directory).flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
  const pairs = lines.filter((line) => line !== '').map((line) => line.split('\t') as [string, string])
  expect(new Set(pairs.map(([word]) => word)).size, 'each word once').toBe(pairs.length)
  return new Map(pairs.map(([word, count]) => [word, Number(count)]))
}

function expectedCounts(texts: readonly string[]): Map<string, number> {
  const expected = new Map<string, number>()
  for (const word of texts
    .join('\n')
    .toLowerCase()
    .match(/\p{L}+/gu) ?? []) {
    expected.set(word, (expected.get(word) ?? 0) + 1)
  }
  return expected
}

describe('word-count', () => {
  const texts = ['The cat and the dog.\nÉté, ÉTÉ; été!', 'naïve 東京 東京 cat\r\n\r\nthe end'.repeat(500)]

  it.each([1, 2, 3])('counts a folder, compressed files too, at parallelism %i', async (parallelism) => {
    const directory = temporaryDirectory()
    const input = join(directory, 'in')
    mkdirSync(join(input, 'deep'), { recursive: true })
    writeFileSync(join(input, 'a.txt'), texts[0]!)
    writeFileSync(join(input, 'deep', 'b.md.gz'), gzipSync(texts[1]!))
    const output = join(directory, 'out')
    const args = [
      'run',
      'examples/word-count.ts',
      '-p',
      String(parallelism),
      '--',
      '--input',
      input,
      '--output',
      output,
    ]
    expect(await millrace(...args)).toMatchObject({ exitCode: 0, stdout: '' })
    expect(counts(output)).toEqual(expectedCounts(texts))
  })

  it('takes a file, a glob, and an empty file', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'a.txt'), texts[0]!)
    writeFileSync(join(directory, 'empty.txt'), '')
    for (const [index, input] of ['a.txt', '*.txt', 'empty.txt'].entries()) {
      const output = join(directory, `out${index}`)
      const args = ['run', 'examples/word-count.ts', '-p', '1', '--', '--input', join(directory, input)]
      expect((await millrace(...args, '--output', output)).exitCode).toBe(0)
      expect(counts(output)).toEqual(expectedCounts(index === 2 ? [] : [texts[0]!]))
    }
  })

  it('leaves nothing behind where it fails', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'broken.gz'), gzipSync(texts[1]!).subarray(0, 60))
    const args = ['run', 'examples/word-count.ts', '--', '--input', directory, '--output', join(directory, 'out')]
    const { exitCode, stderr } = await millrace(...args)
    expect(stderr).toContain('MR_SOURCE_CORRUPT')
    expect(exitCode).toBe(1)
    expect(readdirSync(directory)).toEqual(['broken.gz'])
  })
})

describe('socket-word-count', () => {
  it('prints each word with its new count', async () => {
    const port = await serve('to be or not to be\nBe!\n')
    const args = [
      'run',
      'examples/socket-word-count.ts',
      '-p',
      '1',
      '--',
      '--hostname',
      '127.0.0.1',
      '--port',
      String(port),
    ]
    const { exitCode, stdout } = await millrace(...args)
    expect(stdout.split('\n')).toEqual(['to 1', 'be 1', 'or 1', 'not 1', 'to 2', 'be 2', 'be 3', ''])
    expect(exitCode).toBe(0)
  })

  it('says which server it could not reach', async () => {
    const port = await serve('')
    await new Promise((resolve) => servers.pop()!.close(resolve))
    const { exitCode, stderr } = await millrace('run', 'examples/socket-word-count.ts', '--', '--port', String(port))
    expect(stderr).toContain('MR_SOURCE_UNREACHABLE')
    expect(stderr).toContain(String(port))
    expect(exitCode).toBe(1)
  })
})

describe('embedded', () => {
  it('prints what its loop sees', async () => {
    const { exitCode, stdout } = await node('examples/embedded.ts')
    expect(stdout).toBe('attic: 35 °C\ncellar: 22 °C\nattic: 36.5 °C\n')
    expect(exitCode).toBe(0)
  })
})

describe('socket-window-word-count', () => {
  it('prints what came in a window when it ends', async () => {
    const port = await serve('to be or not to be\n', { hangUp: false })
    const job = startMillrace([
      ...['run', 'examples/socket-window-word-count.ts', '-p', '1', '--'],
      ...['--hostname', '127.0.0.1', '--port', String(port), '--seconds', '0.2'],
    ])
    const end = finished(job)
    await printed(job, /(?:.* : \d+\n){4}/)
    job.kill('SIGINT')
    const { stdout, exitCode } = await end
    expect(stdout.trim().split('\n').toSorted()).toEqual(['be : 2', 'not : 1', 'or : 1', 'to : 2'])
    expect(exitCode).toBe(130)
  })
})

/** Runs an example over input files and answers the lines of its output directory, sorted. */
async function lines(example: string, files: Record<string, string>, options: string[] = []): Promise<string[]> {
  const directory = temporaryDirectory()
  const inputs = Object.entries(files).flatMap(([name, text]) => {
    writeFileSync(join(directory, name), text)
    return [`--${name}`, join(directory, name)]
  })
  const output = join(directory, 'out')
  const program = ['--', ...inputs, '--output', output, ...options]
  const { exitCode, stderr } = await millrace('run', `examples/${example}.ts`, '-p', '2', '--quiet', ...program)
  expect({ exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({ exitCode: 0, stderr: '' })
  return readdirSync(output)
    .flatMap((name) => readFileSync(join(output, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .toSorted()
}

const ndjson = (...records: readonly unknown[]): string => records.map((one) => `${JSON.stringify(one)}\n`).join('')

describe('web-sessions', () => {
  it('finds the sessions of each user', async () => {
    const log = [
      '2024-05-01T10:00:00Z ann GET /',
      '2024-05-01T10:00:05Z bob GET /',
      '2024-05-01T10:00:03Z ann GET /a',
      'nonsense',
      '2024-05-01T10:06:00Z ann GET /b',
      '2024-05-01T10:06:01Z bob GET /c',
    ]
    expect(await lines('web-sessions', { input: `${log.join('\n')}\n` }, ['--gap-minutes', '5'])).toEqual([
      '{"user":"ann","from":"2024-05-01T10:00:00.000Z","to":"2024-05-01T10:00:03.000Z","pages":2}',
      '{"user":"ann","from":"2024-05-01T10:06:00.000Z","to":"2024-05-01T10:06:00.000Z","pages":1}',
      '{"user":"bob","from":"2024-05-01T10:00:05.000Z","to":"2024-05-01T10:00:05.000Z","pages":1}',
      '{"user":"bob","from":"2024-05-01T10:06:01.000Z","to":"2024-05-01T10:06:01.000Z","pages":1}',
    ])
  })
})

describe('top-speed', () => {
  it('tells the top speed of the last ten seconds at every fifty metres', async () => {
    const { exitCode, stdout } = await millrace(
      'run',
      'examples/top-speed.ts',
      '-p',
      '1',
      '--quiet',
      '--',
      '--count',
      '400',
    )
    expect(exitCode).toBe(0)
    const found = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { car: number; kmh: number; timeMs: number })
    // 200 readings of 2 m each: a car passes 50 m more than before every 26 readings.
    expect(found.filter(({ car }) => car === 0)).toHaveLength(7)
    expect(found.filter(({ car }) => car === 1)).toHaveLength(7)
    for (const { kmh } of found) expect(kmh).toBeLessThanOrEqual(100)
    expect(Math.max(...found.map(({ kmh }) => kmh))).toBe(100)
  })
})

describe('fraud-alerts', () => {
  it('alerts on a small payment followed by a large one in time', async () => {
    const payments = ndjson(
      { account: 'a', amount: 0.5, timeMs: 1_000 },
      { account: 'b', amount: 900, timeMs: 2_000 },
      { account: 'a', amount: 900, timeMs: 3_000 },
      { account: 'b', amount: 0.1, timeMs: 4_000 },
      { account: 'a', amount: 900, timeMs: 5_000 },
      { account: 'b', amount: 900, timeMs: 90_000 },
    )
    const rules = ndjson({ small: 1, large: 500, withinMs: 60_000 })
    expect(await lines('fraud-alerts', { payments, rules })).toEqual(['{"account":"a","amount":900,"timeMs":3000}'])
  })
})

describe('rides-and-fares', () => {
  it('joins each ride with its fare, whichever comes first', async () => {
    const rides = ndjson(
      { rideId: 1, driver: 'ann', timeMs: 0 },
      { rideId: 2, driver: 'bob', timeMs: 1_000 },
      { rideId: 3, driver: 'eve', timeMs: 2_000 },
    )
    const fares = ndjson({ rideId: 2, total: 20.5, timeMs: 0 }, { rideId: 1, total: 10, timeMs: 5_000 })
    expect(await lines('rides-and-fares', { rides, fares })).toEqual([
      '{"rideId":1,"driver":"ann","total":10}',
      '{"rideId":2,"driver":"bob","total":20.5}',
    ])
  })
})

describe('exactly-once', () => {
  it('gives every id once and every sum right, also when it is killed and run again', async () => {
    const directory = temporaryDirectory()
    const [input, output, jobDir] = ['in', 'out', 'state'].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ]
    mkdirSync(input)
    const count = 20_000
    const changes = Array.from({ length: count }, (_, id) => ({ id, key: `k${id % 7}`, value: id % 5, ts: id }))
    writeFileSync(join(input, 'changes.ndjson'), ndjson(...changes))
    const args = ['run', 'examples/exactly-once.ts', '-p', '2', '--quiet', '--job-dir', jobDir]
    const program = ['--', '--input', input, '--output', output, '--interval', '20']
    for (const afterMs of [400, 600, 800]) {
      const killed = startMillrace([...args, ...program])
      const timer = setTimeout(() => killed.kill('SIGKILL'), afterMs)
      await finished(killed)
      clearTimeout(timer)
    }
    expect(await millrace(...args, ...program)).toMatchObject({ exitCode: 0, stderr: '' })
    const visible = readdirSync(output).filter((name) => !name.startsWith('.'))
    const echoes = visible
      .flatMap((name) => readFileSync(join(output, name), 'utf8').split('\n'))
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { id: number; key: string; sum: number })
    expect(echoes.toSorted((a, b) => a.id - b.id).map(({ id }) => id)).toEqual(changes.map(({ id }) => id))
    const sums = new Map<string, number>()
    for (const { id, key, sum } of echoes) {
      const value = (sums.get(key) ?? 0) + changes[id]!.value
      sums.set(key, value)
      expect(sum).toBe(value)
    }
  })
})

const servers: Server[] = []

/** A server that sends a text to whoever connects. */
async function serve(text: string, { hangUp = true } = {}): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    if (hangUp) socket.end(text)
    else socket.write(text)
  })
  servers.push(server)
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as { port: number }).port
}
