import { chmodSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { prng } from '../../../src/common/prng.ts'
import type { FileSplit } from '../../../src/connectors/files/file-split.ts'
import { fileLines } from '../../../src/connectors/index.ts'
import { connectorContext } from '../../support/connector-context.ts'
import { ListOutput, readSource } from '../../support/read-source.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

function textFile(content: string | Uint8Array, name = 'input.txt'): string {
  const path = join(temporaryDirectory(), name)
  writeFileSync(path, content)
  return path
}

const code = (value: string): unknown => expect.objectContaining({ code: value })

describe('fileLines', () => {
  it.each([
    ['lines end with a line feed', 'a\nb\n', ['a', 'b']],
    ['the last line has no line feed', 'a\nb', ['a', 'b']],
    ['lines end with CRLF', 'a\r\nb\r\n\r\nc', ['a', 'b', '', 'c']],
    ['a carriage return stands inside a line', 'a\rb\n', ['a\rb']],
    ['lines are empty', '\n\n', ['', '']],
    ['the file is empty', '', []],
    ['the file begins with a byte order mark', '\uFEFFa\nb', ['a', 'b']],
    ['the file is only a byte order mark', '\uFEFF', []],
    ['characters take two, three and four bytes', 'é\n漢字\n😀\n', ['é', '漢字', '😀']],
  ])('reads right where %s', async (_, content, lines) => {
    expect((await readSource(fileLines(textFile(content)))).all).toEqual(lines)
  })

  it('gives every line to exactly one split, wherever the borders fall', async () => {
    const lines = ['', 'a', 'bc', 'déf', '漢字漢', '', 'x'.repeat(11), '😀😀', 'end']
    for (const lineEnd of ['\n', '\r\n']) {
      const path = textFile(lines.join(lineEnd))
      for (let splitBytes = 1; splitBytes < 40; splitBytes++) {
        const { all } = await readSource(fileLines(path, { splitBytes }), { parallelism: 3 })
        expect(all.toSorted(), `splitBytes ${splitBytes}`).toEqual(lines.toSorted())
      }
    }
  })

  it('goes on exactly where its snapshot stood', async () => {
    const lines = Array.from({ length: 3000 }, (_, i) => `${i} ${'é漢😀'.repeat(i % 5)}`)
    const path = textFile(lines.join('\r\n'))
    const options = { parallelism: 2, recordsMax: 97, room: 13, restoresAfterPoll: true }
    const { all } = await readSource(fileLines(path, { splitBytes: 10_000 }), options)
    expect(all.toSorted()).toEqual(lines.toSorted())
  })

  it('counts lines, not characters, in bytes that are not UTF-8', async () => {
    const line = Buffer.from([0x61, 0xff, 0xc3, 0x0a])
    const path = textFile(Buffer.concat(Array.from({ length: 100 }, () => line)))
    const { all } = await readSource(fileLines(path), { recordsMax: 7, restoresAfterPoll: true })
    expect(all).toEqual(Array.from({ length: 100 }, () => 'a\uFFFD\uFFFD'))
  })

  it('tells lines of ASCII, of other characters and of bytes that are no UTF-8 apart, side by side', async () => {
    const kinds = ['', 'plain', 'größer', '漢字', 'a😀b', '\uFFFD', 'tab\there', '\u0000', '\u0080'].map((text) =>
      Buffer.from(text),
    )
    kinds.push(Buffer.from([0xff]), Buffer.from([0x61, 0xe6, 0xbc]), Buffer.from([0xc3, 0x28, 0xf0, 0x9f]))
    const random = prng(7)
    const pick = <V>(values: readonly V[]): V => values[Math.floor(random.nextFloat() * values.length)]!
    for (let round = 0; round < 40; round++) {
      const some = [pick(kinds), pick(kinds), pick(kinds), pick(kinds)]
      const lines = Array.from({ length: 1 + Math.floor(random.nextFloat() * 3000) }, () => pick(some))
      const bytes = Buffer.concat(lines.flatMap((line) => [line, Buffer.from(pick(['\n', '\r\n']))]))
      const { all } = await readSource(fileLines(textFile(bytes)), { recordsMax: 1000 })
      expect(all, `round ${round}`).toEqual(lines.map((line) => line.toString('utf8')))
    }
  })

  it('reads lines longer than the read buffer, over its borders', async () => {
    const lines = ['short', '漢'.repeat(1_500_000), 'x', 'y'.repeat(2_000_000), '']
    const path = textFile(`${lines.join('\n')}\n`)
    const { all } = await readSource(fileLines(path, { splitBytes: 1 << 20 }), { parallelism: 2 })
    expect(all.map((line) => line.length).toSorted((a, b) => a - b)).toEqual([0, 1, 5, 1_500_000, 2_000_000])
    expect(all).toContain(lines[1])
  })

  it('refuses a line longer than lineBytesMax, naming file and offset', async () => {
    const path = textFile(`ok\n${'x'.repeat(3 << 20)}`)
    await expect(readSource(fileLines(path, { lineBytesMax: 1 << 20 }))).rejects.toMatchObject({
      code: 'MR_FORMAT_MALFORMED',
      context: { file: path, offset: 3 },
    })
  })

  it('reads latin1', async () => {
    const path = textFile(Buffer.from('caf\xe9\n', 'latin1'))
    expect((await readSource(fileLines(path, { encoding: 'latin1' }))).all).toEqual(['café'])
  })

  it('reads a folder with its subfolders, without hidden and unfinished files', async () => {
    const folder = temporaryDirectory()
    mkdirSync(join(folder, 'deep', 'er'), { recursive: true })
    mkdirSync(join(folder, '.git'))
    const files = { 'a.txt': 'a', 'deep/b.md': 'b', 'deep/er/c': 'c', '.hidden': 'h', _SUCCESS: 's', '.git/x': 'x' }
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
    expect((await readSource(fileLines(folder))).all).toEqual(['a', 'b', 'c'])
  })

  it('reads what a glob matches, each file once', async () => {
    const folder = temporaryDirectory()
    for (const name of ['1.txt', '2.md', '3.log']) writeFileSync(join(folder, name), name)
    const source = fileLines([`${folder}/*.{txt,md}`, `${folder}/1*`])
    expect((await readSource(source)).all).toEqual(['1.txt', '2.md'])
  })

  it('cuts the end of the input finer, so that subtasks end at about the same time', async () => {
    const path = textFile('')
    truncateSync(path, 512 << 20)
    const sizesOf = async (options: { splitBytes?: number }): Promise<number[]> => {
      const splits = (await fileLines(path, options).enumerateSplits({ parallelism: 4 })) as FileSplit[]
      const ranges = splits.flatMap((split) => split.ranges)
      ranges.forEach(({ start }, i) => expect(start).toBe(ranges[i - 1]?.end ?? 0))
      expect(ranges.at(-1)!.end).toBe(512 << 20)
      return ranges.map(({ start, end }) => end - start)
    }
    const sizes = await sizesOf({})
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a))
    expect(sizes[0]).toBe(16 << 20)
    expect(sizes.at(-1)).toBeLessThanOrEqual(1 << 20)
    expect(sizes.length).toBeLessThan(80)
    expect(new Set(await sizesOf({ splitBytes: 8 << 20 }))).toEqual(new Set([8 << 20]))
  })

  it('gathers small files into few splits', async () => {
    const folder = temporaryDirectory()
    for (let i = 0; i < 500; i++) writeFileSync(join(folder, `${i}.txt`), `${i}\n`)
    const source = fileLines(folder)
    expect((await source.enumerateSplits({ parallelism: 2 })).length).toBeLessThan(20)
    expect((await readSource(source, { parallelism: 2, restoresAfterPoll: true, recordsMax: 7 })).all).toHaveLength(500)
  })

  describe('gzip', () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i} é`)

    it('unpacks, several members as one text', async () => {
      const text = lines.join('\n')
      const path = textFile(Buffer.concat([gzipSync(text.slice(0, 5001)), gzipSync(text.slice(5001))]), 'x.gz')
      const { all, contexts } = await readSource(fileLines(path), { parallelism: 2 })
      expect(all).toEqual(lines)
      expect(contexts.map((context) => context.holds)).toEqual([0, 0])
    })

    it('goes on from its position in the unpacked text', async () => {
      const path = textFile(gzipSync(lines.join('\n')), 'x.gz')
      const { all } = await readSource(fileLines(path), { recordsMax: 3001, restoresAfterPoll: true })
      expect(all).toEqual(lines)
    })

    it('unpacks an empty text', async () => {
      expect((await readSource(fileLines(textFile(gzipSync(''), 'x.gz')))).all).toEqual([])
    })

    it.each([
      ['cut off', (bytes: Buffer) => bytes.subarray(0, bytes.length - 20)],
      ['flipped in the middle', (bytes: Buffer) => Buffer.from(bytes).fill(0x55, 3000, 3100)],
      ['without any byte', () => Buffer.alloc(0)],
      ['no gzip at all', () => Buffer.from('plain text\n')],
    ])('refuses a file that is %s, naming it', async (_, damage) => {
      const path = textFile(damage(gzipSync(lines.join('\n'))), 'x.gz')
      await expect(readSource(fileLines(path))).rejects.toMatchObject({
        code: 'MR_SOURCE_CORRUPT',
        message: expect.stringContaining(path),
        context: { file: path, offset: expect.any(Number) },
      })
    })
  })

  it.each(['missing.txt', 'missing/*.txt', 'missing/'])('says that %s is not there', (name) => {
    const source = fileLines(join(temporaryDirectory(), name))
    expect(() => source.enumerateSplits({ parallelism: 1 })).toThrow(code('MR_SOURCE_NOT_FOUND'))
  })

  it('says that a folder cannot be read', () => {
    const folder = join(temporaryDirectory(), 'locked')
    mkdirSync(folder)
    chmodSync(folder, 0)
    asOrdinaryUser(() => {
      expect(() => fileLines(folder).enumerateSplits({ parallelism: 1 })).toThrow(code('MR_SOURCE_UNREADABLE'))
    })
  })

  it('refuses to go on in a file that has become shorter', () => {
    const path = textFile('a\nb\nc\nd\n')
    const reader = fileLines(path).createReader(connectorContext())
    truncateSync(path, 3)
    reader.addSplits([{ ranges: [{ path, start: 0, end: 8, position: 6 }] }])
    expect(() => reader.poll(new ListOutput(), 1)).toThrow(code('MR_SOURCE_CORRUPT'))
  })

  it.each([0, 3])('says so where a file was cut to %i bytes after it was found', async (bytes) => {
    const path = textFile('a\nb\nc\nd\n')
    const source = fileLines(path)
    const reader = source.createReader(connectorContext())
    reader.addSplits(await source.enumerateSplits({ parallelism: 1 }))
    truncateSync(path, bytes)
    const readAll = (): void => {
      for (let i = 0; i < 10; i++) reader.poll(new ListOutput(), 10)
    }
    expect(readAll).toThrow(code('MR_SOURCE_CORRUPT'))
  })
})

/** Permissions do not bind root. */
function asOrdinaryUser(check: () => void): void {
  if (process.getuid?.() !== 0) return check()
  chmodSync(temporaryDirectory(), 0o755)
  process.seteuid?.(65_534)
  try {
    check()
  } finally {
    process.seteuid?.(0)
  }
}
