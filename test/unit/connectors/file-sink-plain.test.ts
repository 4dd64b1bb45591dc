import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startOf } from '../../../src/common/processes.ts'
import { noTimestamp } from '../../../src/common/limits.ts'
import { dateTimeBuckets, fileSink, type FileSinkOptions } from '../../../src/connectors/index.ts'
import { connectorContext } from '../../support/connector-context.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const prepared = { parallelism: 1, isRestored: false, checkpointsEnabled: false }

/** Writes each subtask's values, without publishing. */
async function write<T>(directory: string, options: FileSinkOptions<T>, ...subtasks: readonly T[][]) {
  const sink = fileSink<T>(directory, options)
  await sink.prepare?.({ ...prepared, parallelism: subtasks.length })
  for (const [subtaskIndex, values] of subtasks.entries()) {
    const writer = sink.createWriter(connectorContext({ subtaskIndex, parallelism: subtasks.length }))
    for (const value of values) writer.write(value, noTimestamp)
    writer.flush(true)
    await writer.close?.()
  }
  return sink
}

const files = (directory: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const path = join(entry.parentPath, entry.name)
        return [path.slice(directory.length + 1), readFileSync(path, 'utf8')]
      }),
  )

describe('fileSink, plain', () => {
  it('shows nothing before the job has succeeded, and everything then', async () => {
    const parent = temporaryDirectory()
    const directory = join(parent, 'deep', 'out')
    const sink = await write<string>(directory, {}, ['a', 'é'], ['c'])
    expect(existsSync(directory)).toBe(false)
    await sink.commitJob?.()
    expect(files(directory)).toEqual({ 'part-0-0': 'a\né\n', 'part-1-0': 'c\n' })
    expect(readdirSync(join(parent, 'deep'))).toEqual(['out'])
  })

  it('leaves nothing behind where the job fails', async () => {
    const parent = temporaryDirectory()
    const sink = await write<string>(join(parent, 'out'), {}, ['a'])
    await sink.abortJob?.()
    expect(readdirSync(parent)).toEqual([])
  })

  it('takes an empty directory that is there', async () => {
    const parent = temporaryDirectory()
    mkdirSync(join(parent, 'out'))
    const sink = await write<string>(join(parent, 'out'), {}, ['a'])
    await sink.commitJob?.()
    expect(files(parent)).toEqual({ 'out/part-0-0': 'a\n' })
  })

  it('makes the directory even where nothing was written', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const sink = await write(directory, {}, [])
    await sink.commitJob?.()
    expect(files(directory)).toEqual({})
  })

  it.each(['a directory with files', 'a file'])('refuses %s', async (kind) => {
    const directory = join(temporaryDirectory(), 'out')
    if (kind === 'a file') writeFileSync(directory, '')
    else {
      mkdirSync(directory)
      writeFileSync(join(directory, 'x'), '')
    }
    await expect(write(directory, {}, [])).rejects.toMatchObject({ code: 'MR_SINK_EXISTS' })
  })

  it('replaces an old output as a whole where it may, and keeps it until then', async () => {
    const parent = temporaryDirectory()
    const directory = join(parent, 'out')
    await (await write<string>(directory, {}, ['old'], ['old'])).commitJob?.()
    const sink = await write<string>(directory, { overwrite: true }, ['new'])
    expect(files(directory)).toEqual({ 'part-0-0': 'old\n', 'part-1-0': 'old\n' })
    await sink.commitJob?.()
    expect(files(parent)).toEqual({ 'out/part-0-0': 'new\n' })
  })

  it('clears what a killed run left', async () => {
    const parent = temporaryDirectory()
    await write<string>(join(parent, 'out'), {}, ['a'], ['b'])
    const sink = await write<string>(join(parent, 'out'), {}, ['c'])
    await sink.commitJob?.()
    expect(files(parent)).toEqual({ 'out/part-0-0': 'c\n' })
  })

  it('leaves alone what another process is writing, until that is gone', async () => {
    const parent = temporaryDirectory()
    const directory = join(parent, 'out')
    const other = spawn('sleep', ['60'])
    try {
      await write<string>(directory, {}, ['mine'])
      const owner = join(parent, '.out.partial', '.owner')
      const identity = JSON.parse(readFileSync(owner, 'utf8')) as Record<string, unknown>
      writeFileSync(owner, JSON.stringify({ ...identity, pid: other.pid, startedAt: startOf(other.pid!) }))
      const refused = { code: 'MR_SINK_EXISTS', message: expect.stringContaining(`process ${other.pid}`) }
      await expect(async () => write(directory, { overwrite: true }, [])).rejects.toMatchObject(refused)
      expect(files(parent)['.out.partial/part-0-0']).toBe('mine\n')
    } finally {
      other.kill('SIGKILL')
      await new Promise((resolve) => other.on('close', resolve))
    }
    await (await write<string>(directory, {}, ['next'])).commitJob?.()
    expect(files(parent)).toEqual({ 'out/part-0-0': 'next\n' })
  })

  it('drops what an earlier attempt of the same subtask wrote', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const sink = await write<string>(
      directory,
      { rolling: { bytesMax: 1 }, partSuffix: '.v2' },
      ['first', 'attempt'],
      ['other'],
    )
    const writer = sink.createWriter(connectorContext({ attempt: 1 }))
    writer.flush(true)
    await sink.commitJob?.()
    expect(files(directory)).toEqual({ 'part-1-0.v2': 'other\n' })
  })

  it('begins a new part where one is large enough', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const sink = await write<string>(directory, { rolling: { bytesMax: 4 }, partSuffix: '.txt' }, ['abc', 'def', 'g'])
    await sink.commitJob?.()
    expect(files(directory)).toEqual({ 'part-0-0.txt': 'abc\n', 'part-0-1.txt': 'def\n', 'part-0-2.txt': 'g\n' })
  })

  it('writes NDJSON and CSV', async () => {
    const values = [
      { a: 1, b: 'x,"y"', c: 12345678901234567890n, d: new Date(0), e: null },
      { a: 2.5, b: 'é\nf', c: -1n, d: new Date(1), e: true },
    ]
    const parent = temporaryDirectory()
    await (await write(join(parent, 'json'), { format: 'ndjson' }, values)).commitJob?.()
    await (await write(join(parent, 'csv'), { format: 'csv' }, values)).commitJob?.()
    expect(files(parent)).toEqual({
      'json/part-0-0':
        '{"a":1,"b":"x,\\"y\\"","c":12345678901234567890,"d":"1970-01-01T00:00:00.000Z","e":null}\n' +
        '{"a":2.5,"b":"é\\nf","c":-1,"d":"1970-01-01T00:00:00.001Z","e":true}\n',
      'csv/part-0-0':
        'a,b,c,d,e\n1,"x,""y""",12345678901234567890,1970-01-01T00:00:00.000Z,\n2.5,"é\nf",-1,1970-01-01T00:00:00.001Z,true\n',
    })
  })

  it.each([[() => 1], [Symbol('s')], [{ f: () => 1 }], [cyclic()], [{ deep: [{ s: Symbol('s') }] }]])(
    'refuses what cannot be written: %o',
    async (value) => {
      const written = write<unknown>(join(temporaryDirectory(), 'out'), { format: 'ndjson' }, [value])
      await expect(written).rejects.toMatchObject({ code: 'MR_DATA_NOT_SERIALIZABLE' })
    },
  )

  it('sorts records into buckets', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const options = { buckets: (value: number) => (value % 2 === 0 ? 'even' : 'odd/deep') }
    await (await write(directory, options, [1, 2, 3])).commitJob?.()
    expect(files(directory)).toEqual({ 'even/part-0-0': '2\n', 'odd/deep/part-0-0': '1\n3\n' })
  })

  it('refuses buckets outside of the output', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const written = write(directory, { buckets: () => '../x' }, [1])
    await expect(written).rejects.toMatchObject({ code: 'MR_CONFIG_INVALID_VALUE' })
  })
})

describe('dateTimeBuckets', () => {
  const context = { timestampMs: Date.UTC(2026, 0, 2, 3, 4, 5), processingTimeMs: 0, watermarkMs: 0 }

  it('formats event time in UTC', () => {
    expect(dateTimeBuckets()(1, context)).toBe('2026-01-02--03')
    expect(dateTimeBuckets("'dt='yyyy-MM-dd/HH.mm.ss")(1, context)).toBe('dt=2026-01-02/03.04.05')
    expect(dateTimeBuckets('yyyyMMdd/HHmm')(1, context)).toBe('20260102/0304')
  })

  it('takes processing time for records without event time', () => {
    expect(dateTimeBuckets('yyyy')(1, { ...context, timestampMs: noTimestamp })).toBe('1970')
  })

  it('refuses letters that it does not know', () => {
    expect(() => dateTimeBuckets('yyyy-QQ')).toThrow(expect.objectContaining({ code: 'MR_CONFIG_INVALID_VALUE' }))
  })
})

function cyclic(): unknown {
  const value: { self?: unknown } = {}
  value.self = value
  return value
}
