import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { malformedRecords, ndjson, type NdjsonOptions } from '../../../src/connectors/index.ts'
import { type TypeInformation, types } from '../../../src/data/types.ts'
import { readSource, type ReadOptions } from '../../support/read-source.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

function file(content: string | Uint8Array, name = 'input.ndjson'): string {
  const path = join(temporaryDirectory(), name)
  writeFileSync(path, content)
  return path
}

const read = async <T>(content: string, options: NdjsonOptions<T> = {}, how: ReadOptions = {}) =>
  readSource(ndjson<T>(file(content), options), how)

describe('ndjson', () => {
  it('gives what JSON.parse gives, leaving empty lines out', async () => {
    const { all } = await read('{"a":1}\r\n\n"text"\n  \n[1,{"b":null}]\n12')
    expect(all).toEqual([{ a: 1 }, 'text', [1, { b: null }], 12])
  })

  it('reads a divided file, through restores', async () => {
    const values = Array.from({ length: 2000 }, (_, id) => ({ id, text: 'é漢😀'.repeat(id % 7) }))
    const content = values.map((value) => JSON.stringify(value)).join('\n')
    const options = { parallelism: 3, recordsMax: 50, room: 7, restoresAfterPoll: true }
    const { all } = await read<{ id: number }>(content, { splitBytes: 5000 }, options)
    expect(all.toSorted((a, b) => a.id - b.id)).toEqual(values)
  })

  it('reads declared types: exact whole numbers, dates, bytes, decimals, nested rows', async () => {
    const type = types.row({
      big: types.int64(),
      small: types.int32(),
      at: types.timestamp(),
      price: types.decimal(20, 2),
      bytes: types.bytes(),
      maybe: types.nullable(types.text()),
      list: types.list(types.row({ n: types.int64() })),
      any: types.generic(),
    })
    const line =
      '{"list":[{"n":9007199254740993}],"any":{"deep":12345678901234567890},"big":9223372036854775807,"small":-5,' +
      '"at":"2026-01-02T03:04:05Z","price":12345678901234567.89,"bytes":"AQI=","extra":1}'
    const { all } = await read(line, { type })
    expect(all).toEqual([
      {
        big: 9223372036854775807n,
        small: -5,
        at: Date.UTC(2026, 0, 2, 3, 4, 5),
        price: 1234567890123456789n,
        bytes: Uint8Array.of(1, 2),
        maybe: null,
        list: [{ n: 9007199254740993n }],
        any: { deep: 12345678901234567000 },
      },
    ])
    expect(Object.keys(all[0] ?? {})[0]).toBe('big')
  })

  it.each<[string, string, TypeInformation<unknown>]>([
    ['cannot be parsed', '{"id":"a"', types.row({ id: types.text() })],
    ['is of another type', '{"id":5}', types.row({ id: types.text() })],
    ['misses a field', '{"name":"x"}', types.row({ id: types.text() })],
    ['holds a fraction', '{"n":1.5}', types.row({ n: types.int32() })],
    ['holds too large a number', '{"n":99999999999999999999}', types.row({ n: types.int64() })],
    ['is no object', '[1]', types.row({ n: types.int32() })],
    ['holds no date', '{"t":"yesterday"}', types.row({ t: types.timestamp() })],
    ['holds no base64', '{"b":"*"}', types.row({ b: types.bytes() })],
    ['holds too many digits', '{"d":"1.234"}', types.row({ d: types.decimal(4, 2) })],
  ])('names file, line and offset where a line %s', async (_, bad, type) => {
    const path = file(`\n\n${bad}\n`)
    await expect(readSource(ndjson(path, { type }))).rejects.toMatchObject({
      code: 'MR_FORMAT_MALFORMED',
      message: expect.stringContaining(`${path}, line 3 (byte 2)`),
      context: { file: path, line: 3, offset: 2, record: bad },
    })
  })

  it('names the line in the middle of a large file, however it is divided', async () => {
    const lines = Array.from({ length: 1000 }, (_, i) => `{"é":${i}}`)
    lines[777] = 'oops'
    const offset = Buffer.byteLength(`${lines.slice(0, 777).join('\n')}\n`)
    for (const splitBytes of [300, 4000, 1e6]) {
      const reading = read(lines.join('\n'), { splitBytes }, { parallelism: 2 })
      await expect(reading).rejects.toMatchObject({ context: { line: 778, offset } })
    }
  })

  it('names the line in a compressed file', async () => {
    const path = file(gzipSync('1\n2\n3\noops\n'), 'x.gz')
    await expect(readSource(ndjson(path))).rejects.toMatchObject({ context: { line: 4, offset: 6 } })
  })

  it('counts what it skips', async () => {
    const { all, contexts } = await read('1\noops\n2\n{\n3', { onError: 'skip' })
    expect(all).toEqual([1, 2, 3])
    expect(contexts[0]?.counted.get('numRecordsInErrors')).toBe(4)
  })

  it('sends what it cannot read to the side output', async () => {
    const { all, outputs } = await read('1\noops\n2\n{"\n', { onError: 'side-output' })
    expect(all).toEqual([1, 2])
    expect(outputs[0]?.side).toEqual([
      {
        id: malformedRecords.id,
        value: expect.objectContaining({ line: 2, offset: 2, text: 'oops', reason: expect.stringContaining('JSON') }),
      },
      { id: malformedRecords.id, value: expect.objectContaining({ line: 4, offset: 9, text: '{"' }) },
    ])
  })

  it('cuts a long malformed line in the message', async () => {
    const reading = read(`"${'x'.repeat(10_000)}\n`)
    await expect(reading).rejects.toMatchObject({ context: { record: `"${'x'.repeat(399)}…` } })
  })

  it('refuses an unknown policy', () => {
    const make = () => ndjson('x', { onError: 'ignore' as never })
    expect(make).toThrow(expect.objectContaining({ code: 'MR_CONFIG_INVALID_VALUE' }))
  })
})
