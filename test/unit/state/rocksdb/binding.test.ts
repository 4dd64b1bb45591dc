/** The native binding by itself. Skipped, with the reason printed, where it is not built. */
import { existsSync, mkdtempSync, mkdirSync, rmSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { crc32 } from 'node:zlib'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { prng } from '../../../../src/common/prng.ts'
import { type DatabaseHandle, rocksdbBinding, rocksdbUnavailable } from '../../../../src/state/rocksdb/binding.ts'
import { PackedEntriesReader, PackedEntriesWriter } from '../../../../src/state/disk/packed-entries-layout.ts'

const reason = rocksdbUnavailable()
if (reason !== undefined) console.error(`skipped: ${reason}`)

const bytes = (text: string): Buffer => Buffer.from(text)

function pack(entries: readonly (readonly [string, string | undefined])[]): Uint8Array {
  const writer = new PackedEntriesWriter(16)
  for (const [key, value] of entries) {
    const keyBytes = bytes(key)
    if (value === undefined) writer.delete(keyBytes, 0, keyBytes.length)
    else writer.put(keyBytes, 0, keyBytes.length, bytes(value), 0, bytes(value).length)
  }
  return writer.written()
}

function byKey(a: string, b: string): number {
  return Buffer.compare(bytes(a.split('=')[0]!), bytes(b.split('=')[0]!))
}

function multiGet(database: DatabaseHandle, keys: readonly string[]): (string | undefined)[] {
  const offsets = new Uint32Array(keys.length + 1)
  keys.forEach((key, i) => (offsets[i + 1] = offsets[i]! + bytes(key).length))
  const lengths = new Int32Array(keys.length)
  const packed = bytes(keys.join(''))
  let values = Buffer.alloc(8)
  const needed = rocksdbBinding().multiGet(database, packed, offsets, keys.length, values, lengths)
  if (needed > values.length) {
    values = Buffer.alloc(needed)
    rocksdbBinding().multiGet(database, packed, offsets, keys.length, values, lengths)
  }
  let at = 0
  return [...lengths].map((length) => {
    if (length < 0) return undefined
    at += length
    return values.toString('utf8', at - length, at)
  })
}

function scan(database: DatabaseHandle, lower: string, upper: string, chunkBytes: number): string[] {
  const binding = rocksdbBinding()
  const iterator = binding.iteratorOpen(database, bytes(lower), bytes(upper))
  const found: string[] = []
  let chunk = Buffer.alloc(chunkBytes)
  for (;;) {
    const used = binding.iteratorNext(iterator, chunk)
    if (used === 0) break
    if (used < 0) {
      chunk = Buffer.alloc(-used)
      continue
    }
    const reader = new PackedEntriesReader(chunk, used)
    while (reader.next()) {
      found.push(
        `${chunk.toString('utf8', reader.keyStart, reader.keyEnd)}=${chunk.toString('utf8', reader.valueStart, reader.valueEnd)}`,
      )
    }
  }
  binding.iteratorClose(iterator)
  return found
}

describe.skipIf(reason !== undefined)('rocksdb binding', () => {
  let directory: string
  const opened: DatabaseHandle[] = []

  const open = async (name: string): Promise<DatabaseHandle> => {
    const database = rocksdbBinding().open(join(directory, name), 8 << 20, 4 << 20, 'none', false)
    opened.push(database)
    return database
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-rocksdb-'))
  })
  afterEach(async () => {
    for (const database of opened.splice(0)) await rocksdbBinding().close(database)
    rmSync(directory, { recursive: true, force: true })
  })

  it('finds what was written, in the order of the question, and says what is absent', async () => {
    const database = await open('a')
    rocksdbBinding().write(
      database,
      pack([
        ['b', '2'],
        ['a', '1'],
        ['empty', ''],
        ['gone', 'x'],
        ['gone', undefined],
      ]),
    )
    expect(multiGet(database, ['b', 'nowhere', 'a', 'b', 'empty', 'gone'])).toEqual([
      '2',
      undefined,
      '1',
      '2',
      '',
      undefined,
    ])
  })

  it('keeps of a key the newest of several buffers, and counts the tables nothing has merged', async () => {
    const binding = rocksdbBinding()
    const database = await open('p')
    const old = pack(Array.from({ length: 300 }, (_, i) => [`k${i % 100}`, `old${i}`]))
    const fresh = pack(Array.from({ length: 50 }, (_, i) => [`k${i * 2}`, i === 7 ? undefined : `new${i}`]))
    await binding.ingest(database, old, pack([]), fresh)
    expect(multiGet(database, ['k0', 'k1', 'k14', 'k98', 'k99'])).toEqual([
      'new0',
      'old201',
      undefined,
      'new49',
      'old299',
    ])
    expect(binding.property(database, 'rocksdb.num-files-at-level0')).toBe(1)
    expect(binding.property(database, 'rocksdb.no-such-property')).toBe(-1)
  })

  it('asks for more room where values do not fit', async () => {
    const database = await open('a')
    rocksdbBinding().write(database, pack([['long', 'v'.repeat(10_000)]]))
    expect(multiGet(database, ['long'])[0]).toHaveLength(10_000)
  })

  it('ingests unsorted entries; the last of a key counts', async () => {
    const database = await open('a')
    const written = await rocksdbBinding().ingest(
      database,
      pack([
        ['c', '1'],
        ['a', '1'],
      ]),
      pack([
        ['c', '2'],
        ['b', undefined],
      ]),
    )
    expect(written).toBe(3)
    expect(multiGet(database, ['a', 'b', 'c'])).toEqual(['1', undefined, '2'])
    expect(readdirSync(join(directory, 'a')).filter((name) => name.startsWith('spill'))).toEqual([])
  })

  it('sorts keys that differ late, are prefixes of others, or occur in many buffers (seed 11)', async () => {
    const random = prng(11)
    for (const bufferCount of [1, 2, 5, 9]) {
      const database = await open(`late-${bufferCount}`)
      const model = new Map<string, string | undefined>()
      const buffers = Array.from({ length: bufferCount }, (_, buffer) =>
        pack(
          Array.from({ length: 400 }, (_, i) => {
            const key = `g${random.nextBelow(3)}${'common-'.repeat(random.nextBelow(3))}${random.nextBelow(200)}`
            const value = random.nextBelow(5) === 0 ? undefined : `${buffer}.${i}`
            model.set(key, value)
            return [key, value] as const
          }),
        ),
      )
      expect(await rocksdbBinding().ingest(database, ...buffers)).toBe(model.size)
      const live = [...model].filter(([, value]) => value !== undefined).map(([key, value]) => `${key}=${value}`)
      expect(scan(database, 'g', 'h', 1 << 16)).toEqual(live.toSorted(byKey))
    }
  })

  it('ingests nothing where there is nothing', async () => {
    expect(await rocksdbBinding().ingest(await open('a'), new Uint8Array(0))).toBe(0)
  })

  it('deletes a range by an ingested tombstone and keeps the entries of the same file', async () => {
    const database = await open('a')
    await rocksdbBinding().ingest(
      database,
      pack([
        ['k1', 'old'],
        ['k2', 'old'],
        ['l', 'old'],
      ]),
    )
    const writer = new PackedEntriesWriter()
    writer.deleteRange(bytes('k'), bytes('l'))
    const fresh = pack([['k2', 'new']])
    await rocksdbBinding().ingest(database, writer.written(), fresh)
    expect(multiGet(database, ['k1', 'k2', 'l'])).toEqual([undefined, 'new', 'old'])
  })

  it('deletes a range by dropping files', async () => {
    const database = await open('a')
    await rocksdbBinding().ingest(database, pack(Array.from({ length: 100 }, (_, i) => [`k${i + 100}`, 'v'] as const)))
    await rocksdbBinding().deleteRange(database, bytes('k150'), bytes('k170'))
    expect(scan(database, 'k', 'l', 1 << 16)).toHaveLength(80)
  })

  it('iterates a range in chunks of any size', async () => {
    const database = await open('a')
    const entries = Array.from({ length: 50 }, (_, i) => [`k${i + 10}`, 'v'.repeat(i)] as const)
    await rocksdbBinding().ingest(database, pack(entries))
    const expected = entries.filter(([key]) => key >= 'k20' && key < 'k50').map(([key, value]) => `${key}=${value}`)
    for (const chunkBytes of [1, 40, 100, 1 << 16]) {
      expect(scan(database, 'k20', 'k50', chunkBytes)).toEqual(expected)
    }
  })

  it('copies a range into another database', async () => {
    const from = await open('from')
    const to = await open('to')
    await rocksdbBinding().ingest(from, pack(Array.from({ length: 100 }, (_, i) => [`k${i + 100}`, `${i}`] as const)))
    await rocksdbBinding().ingest(to, pack([['a', 'kept']]))
    expect(await rocksdbBinding().copyRange(from, to, bytes('k120'), bytes('k130'))).toBe(10)
    expect(scan(to, 'a', 'z', 1 << 16)).toEqual([
      'a=kept',
      ...Array.from({ length: 10 }, (_, i) => `k${i + 120}=${i + 20}`),
    ])
  })

  it('takes a snapshot that opens as a database and holds nothing newer', async () => {
    const database = await open('a')
    const binding = rocksdbBinding()
    for (let run = 0; run < 3; run++) await binding.ingest(database, pack([[`k${run}`, `${run}`]]))
    const target = join(directory, 'snapshot')
    mkdirSync(target)
    const snapshot = await binding.snapshot(database, target, binding.latestSequence(database))
    await binding.ingest(database, pack([['later', 'x']]))
    await binding.compact(database)
    expect(snapshot.tables).toHaveLength(3)
    expect(new Set(snapshot.tables.map((table) => table.uniqueId)).size).toBe(3)
    for (const table of snapshot.tables) expect(existsSync(join(target, table.name))).toBe(true)
    const copy = await open('snapshot')
    expect(scan(copy, 'a', 'z', 1 << 16)).toEqual(['k0=0', 'k1=1', 'k2=2'])
  })

  it('refuses a snapshot with entries newer than the barrier', async () => {
    const database = await open('a')
    const binding = rocksdbBinding()
    const barrier = binding.latestSequence(database)
    await binding.ingest(database, pack([['k', 'v']]))
    const again = binding.latestSequence(database)
    await binding.ingest(database, pack([['k', 'w']]))
    expect(again).toBeGreaterThanOrEqual(barrier)
    mkdirSync(join(directory, 'snapshot'))
    await expect(binding.snapshot(database, join(directory, 'snapshot'), again)).rejects.toMatchObject({
      code: 'ROCKSDB_BUSY',
    })
  })

  it('keeps the unique ids of unchanged tables over snapshots and reopening', async () => {
    const binding = rocksdbBinding()
    const database = await open('a')
    await binding.ingest(database, pack([['k', 'v']]))
    const ids = async (name: string, of: DatabaseHandle): Promise<string[]> => {
      mkdirSync(join(directory, name))
      return (await binding.snapshot(of, join(directory, name), Number.MAX_SAFE_INTEGER)).tables.map((t) => t.uniqueId)
    }
    const first = await ids('s1', database)
    const reopened = await open('s1')
    expect(await ids('s2', reopened)).toEqual(first)
    await binding.ingest(database, pack([['l', 'v']]))
    await binding.ingest(reopened, pack([['l', 'w']]))
    const [left, right] = [await ids('s3', database), await ids('s4', reopened)]
    expect(left.filter((id) => right.includes(id))).toEqual(first)
  })

  it('answers ROCKSDB_CLOSED after close, also to an iterator', async () => {
    const binding = rocksdbBinding()
    const database = await open('a')
    binding.write(database, pack([['k', 'v']]))
    const iterator = binding.iteratorOpen(database, bytes('a'), bytes('z'))
    await binding.close(database)
    await binding.close(database)
    expect(() => binding.latestSequence(database)).toThrow(expect.objectContaining({ code: 'ROCKSDB_CLOSED' }))
    expect(() => binding.iteratorNext(iterator, Buffer.alloc(10))).toThrow(
      expect.objectContaining({ code: 'ROCKSDB_CLOSED' }),
    )
    binding.iteratorClose(iterator)
    await expect(binding.ingest(database, pack([['k', 'v']]))).rejects.toMatchObject({ code: 'ROCKSDB_CLOSED' })
  })

  it('refuses arguments of other types', async () => {
    const binding = rocksdbBinding()
    const database = await open('a')
    const wrong = { code: 'ROCKSDB_INVALID_ARGUMENT' }
    expect(() => binding.latestSequence({} as DatabaseHandle)).toThrow(expect.objectContaining(wrong))
    expect(() => binding.write(database, 'text' as never)).toThrow(expect.objectContaining(wrong))
    expect(() => binding.write(database, bytes('not entries'))).toThrow(expect.objectContaining(wrong))
    expect(() => binding.write(database, new SharedArrayBuffer(8) as never)).toThrow(expect.objectContaining(wrong))
  })

  it('survives the end of workers in the midst of reads, spills and snapshots, and reopens', async () => {
    for (let round = 0; round < 5; round++) {
      const worker = new Worker(new URL('./busy-worker.ts', import.meta.url), {
        workerData: { path: join(directory, 'w'), scratch: directory, round },
      })
      await once(worker, 'message')
      await new Promise((resolve) => setTimeout(resolve, round * 15))
      await worker.terminate()
      const database = rocksdbBinding().open(join(directory, 'w'), 8 << 20, 4 << 20, 'none', false)
      await rocksdbBinding().close(database)
    }
  })
})

it.skipIf(reason !== undefined)('computes the checksum of a file as zlib does', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'millrace-checksum-')), 'file')
  try {
    const random = prng(1234)
    for (const length of [
      0, 1, 7, 8, 15, 16, 63, 64, 65, 79, 80, 127, 128, 1000, 262_143, 262_144, 262_145, 3_000_001,
    ]) {
      const content = Uint8Array.from({ length }, () => random.nextBelow(256))
      writeFileSync(path, content)
      expect(await rocksdbBinding().checksum(path)).toEqual({ bytes: length, crc32: crc32(content) })
    }
    await expect(rocksdbBinding().checksum(`${path}-none`)).rejects.toMatchObject({ code: 'ROCKSDB_IO_ERROR' })
  } finally {
    rmSync(join(path, '..'), { recursive: true })
  }
})
