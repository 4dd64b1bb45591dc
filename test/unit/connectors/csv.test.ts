import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { csv, type CsvOptions, malformedRecords } from '../../../src/connectors/index.ts'
import { csvEncoder } from '../../../src/connectors/formats/encoders.ts'
import { types } from '../../../src/data/types.ts'
import { type ReadOptions, readSource } from '../../support/read-source.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

function file(content: string | Uint8Array, name = 'input.csv'): string {
  const path = join(temporaryDirectory(), name)
  writeFileSync(path, content)
  return path
}

const read = async <T>(content: string, options: CsvOptions<T> = {}, how: ReadOptions = {}) =>
  readSource(csv<T>(file(content), options), how)

const idAndNote = types.row({ id: types.int32(), note: types.text() })

describe('csv', () => {
  it('infers names and types from the header and a sample', async () => {
    const content =
      '\uFEFFname,n,ratio,flag,zip,big,empty\r\nann,1,1.5,true,00501,12345678901234567,\r\nbob,,-2e3,FALSE,10001,5,\r\n'
    expect((await read(content)).all).toEqual([
      { name: 'ann', n: 1, ratio: 1.5, flag: true, zip: '00501', big: 12345678901234567n, empty: '' },
      { name: 'bob', n: null, ratio: -2000, flag: false, zip: '10001', big: 5n, empty: '' },
    ])
  })

  it('names columns by position where there is no header', async () => {
    expect((await read('1,a\n2,b', { header: false })).all).toEqual([
      { column1: 1, column2: 'a' },
      { column1: 2, column2: 'b' },
    ])
  })

  it('tells columns of the same name apart', async () => {
    expect((await read('a,a,\n1,2,3')).all).toEqual([{ a: 1, a_2: 2, column3: 3 }])
  })

  it('finds declared columns by name, skipping others, in each file on its own', async () => {
    const folder = temporaryDirectory()
    writeFileSync(join(folder, '1.csv'), 'x,note,id\n?,one,1\n')
    writeFileSync(join(folder, '2.csv'), 'id,note\n2,two\n')
    const { all } = await readSource(csv(folder, { type: idAndNote }))
    expect(all).toEqual([
      { id: 1, note: 'one' },
      { id: 2, note: 'two' },
    ])
    expect(Object.keys(all[0] ?? {})).toEqual(['id', 'note'])
  })

  it('reads every declared type', async () => {
    const type = types.row({
      a: types.float64(),
      b: types.int64(),
      c: types.bool(),
      d: types.timestamp(),
      e: types.decimal(10, 2),
      f: types.bytes(),
      g: types.nullable(types.int32()),
      h: types.nullable(types.text()),
    })
    const content =
      'a,b,c,d,e,f,g,h\n-0.125,-9223372036854775808,true,2026-01-02 03:04:05,12.3,AQI=,,\n1e300,1,FALSE,5,-7,,8,x\n'
    expect((await read(content, { type })).all).toEqual([
      {
        a: -0.125,
        b: -9223372036854775808n,
        c: true,
        d: Date.UTC(2026, 0, 2, 3, 4, 5),
        e: 1230n,
        f: Uint8Array.of(1, 2),
        g: null,
        h: null,
      },
      { a: 1e300, b: 1n, c: false, d: 5, e: -700n, f: new Uint8Array(), g: 8, h: 'x' },
    ])
  })

  it.each([
    ['quoted delimiters', 'id,note\n1,"a,b"\n', 'a,b'],
    ['doubled quotes', 'id,note\n1,"say ""hi"""\n', 'say "hi"'],
    ['quoted line ends', 'id,note\n1,"a\nb\r\nc"\n', 'a\nb\r\nc'],
    ['quoted line ends before CRLF', 'id,note\r\n1,"a\nb"\r\n', 'a\nb'],
    ['a quoted field at the end of the file', 'id,note\n1,"a"', 'a'],
    ['an empty quoted field', 'id,note\n"1",""', ''],
    ['quotes within a field', 'id,note\n1,5" pipe\n', '5" pipe'],
    ['a quoted header', '"id","note"\n1,x\n', 'x'],
    ['empty lines', 'id,note\n\n1,x\n\r\n', 'x'],
  ])('reads %s', async (_, content, note) => {
    expect((await read(content, { type: idAndNote })).all).toEqual([{ id: 1, note }])
  })

  it('takes another delimiter and quote, or none', async () => {
    expect((await read("id;note\n1;'a;b'\n", { type: idAndNote, delimiter: ';', quote: "'" })).all).toEqual([
      { id: 1, note: 'a;b' },
    ])
    expect((await read('id\tnote\n1\t"a"b"\n', { type: idAndNote, delimiter: '\t', quote: false })).all).toEqual([
      { id: 1, note: '"a"b"' },
    ])
  })

  it.each([
    ['has too few columns', '1', 'expected 2 columns, found 1'],
    ['has too many columns', '1,a,b', 'expected 2 columns, found more'],
    ['has too many quoted columns', '1,"a",b', 'expected 2 columns, found 3'],
    ['has too few quoted columns', '"1"', 'expected 2 columns, found 1'],
    ['holds no number', 'one,a', 'column "id": expected a number, got "one"'],
    ['holds an empty number', ',a', 'column "id": expected a number, got ""'],
    ['holds a fraction', '1.5,a', 'column "id": expected a whole number of 32 bits'],
    ['goes on after a quote', '1,"a"b', 'column 2: expected a delimiter after the closing quote, got b'],
    ['never closes a quote', '1,"a', 'a quote is opened and never closed'],
  ])('names file, line and offset where a row %s', async (_, bad, reason) => {
    const path = file(`id,note\n7,"é\n"\n${bad}\n`)
    await expect(readSource(csv(path, { type: idAndNote }))).rejects.toMatchObject({
      code: 'MR_FORMAT_MALFORMED',
      message: expect.stringContaining(`${path}, line 4 (byte 16) is not a valid CSV row: ${reason}`),
      context: { file: path, line: 4, offset: 16, record: bad },
    })
  })

  it('goes on at the next line after a row that it skips', async () => {
    const content = 'id,note\n1,a\n2\n3,"c"x\n4,d\n5,e,f\n6,"never\nclosed\n'
    const { all, contexts, outputs } = await read(content, { type: idAndNote, onError: 'side-output' })
    expect(all.map(({ id }) => id)).toEqual([1, 4])
    expect(outputs[0]?.side.map(({ id, value }) => [id, (value as { line: number }).line])).toEqual(
      [3, 4, 6, 7, 8].map((line) => [malformedRecords.id, line]),
    )
    expect(contexts[0]?.counted.get('numRecordsInErrors')).toBe(10)
    expect((await read(content, { type: idAndNote, onError: 'skip' })).all).toHaveLength(2)
  })

  it('fails on a header without a declared column, whatever the policy', async () => {
    const reading = read('id,other\n1,2\n', { type: idAndNote, onError: 'skip' })
    await expect(reading).rejects.toMatchObject({
      code: 'MR_FORMAT_MALFORMED',
      message: expect.stringContaining('column "note" is missing in the header: id, other'),
    })
  })

  it.each([{ delimiter: '' }, { delimiter: ';;' }, { quote: '\n' }, { type: types.text() as never }])(
    'refuses %o',
    (options) => {
      expect(() => csv('x', options)).toThrow(expect.objectContaining({ code: 'MR_CONFIG_INVALID_VALUE' }))
    },
  )

  it('divides a file only where line ends are not quoted', async () => {
    const path = file(`id,note\n${'1,x\n'.repeat(1000)}`)
    const splits = async (quotedNewlines: boolean) =>
      (await csv(path, { quotedNewlines, splitBytes: 500 }).enumerateSplits({ parallelism: 1 })).length
    expect(await splits(true)).toBe(1)
    expect(await splits(false)).toBeGreaterThan(5)
  })

  it('reads a compressed file, through restores', async () => {
    const rows = Array.from({ length: 5000 }, (_, id) => ({ id, note: `n"${id}\n` }))
    const encode = csvEncoder<object>()
    const path = file(gzipSync(`id,note\n${rows.map(encode).join('\n')}`), 'x.csv.gz')
    const { all } = await readSource(csv(path), { recordsMax: 999, restoresAfterPoll: true })
    expect(all).toEqual(rows)
  })

  it('gives back what the CSV sink writes, at any piece, split and restore', async () => {
    const character = fc.constantFrom('a', ',', '"', '\n', '\r', 'é', '漢', '😀', ' ', '')
    const text = fc.array(character, { maxLength: 12 }).map((parts) => parts.join(''))
    const row = fc.record({ id: fc.integer({ min: -5, max: 1e6 }), note: text, ratio: fc.double({ noNaN: true }) })
    const type = types.row({ id: types.int32(), note: types.text(), ratio: types.float64() })
    const path = join(temporaryDirectory(), 'x.csv')
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 60 }),
        fc.integer({ min: 1, max: 200 }),
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        async (rows, recordsMax, lineEnd, restoresAfterPoll) => {
          const encode = csvEncoder<object>({ columns: ['id', 'note', 'ratio'] })
          const content = ['id,note,ratio', ...rows.map(encode)].join(lineEnd)
          writeFileSync(path, content)
          const { all } = await readSource(csv(path, { type }), { recordsMax, room: 11, restoresAfterPoll })
          expect(all).toEqual(rows.map((value) => ({ ...value, ratio: value.ratio === 0 ? 0 : value.ratio })))
        },
      ),
      { numRuns: process.env['MILLRACE_FULL'] ? 5000 : 300 },
    )
  })

  it('reads large rows over the borders of pieces', async () => {
    const rows = Array.from({ length: 30 }, (_, id) => ({ id, note: `${'é\n"x",'.repeat(id * 2000)}` }))
    const encode = csvEncoder<object>()
    const { all } = await read(`id,note\n${rows.map(encode).join('\n')}\n`, { type: idAndNote }, { recordsMax: 3 })
    expect(all).toEqual(rows)
  })

  it('reads a divided file, through restores', async () => {
    const rows = Array.from({ length: 3000 }, (_, id) => ({ id, note: 'é'.repeat(id % 9) }))
    const content = `note,id\n${rows.map(({ id, note }) => `${note},${id}`).join('\n')}`
    const options = { parallelism: 3, recordsMax: 70, restoresAfterPoll: true }
    const { all } = await read(content, { type: idAndNote, quotedNewlines: false, splitBytes: 3000 }, options)
    expect(all.toSorted((a, b) => a.id - b.id)).toEqual(rows)
  })
})
