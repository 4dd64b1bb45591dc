/**
 * The contract of the engines beneath the backends on disk, against a sorted Map: whatever is ingested, in how many
 * generations soever, look-ups, walks, snapshots, cuts and copies see exactly that.
 */
import { copyFileSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Prng, prng } from '../../src/common/prng.ts'
import type { DiskStore, StoreTable } from '../../src/state/disk/disk-store.ts'
import { type KeyRange, rangeOfKeyGroups } from '../../src/state/disk/entry-key-layout.ts'
import { PackedEntriesWriter } from '../../src/state/disk/packed-entries-layout.ts'

const keyGroups = 8
const seed = Number(process.env['MILLRACE_SEED'] ?? 1)
const everything = rangeOfKeyGroups(0, keyGroups)

/** Key in hexadecimal → value. */
type Model = Map<string, string>

export function diskStoreContract(name: string, open: (directory: string) => DiskStore): void {
  describe(`disk store ${name} (seed ${seed})`, () => {
    let root: string
    let random: Prng
    const opened: DiskStore[] = []

    const openStore = async (directory: string): Promise<DiskStore> => {
      const store = open(join(root, directory))
      opened.push(store)
      await store.open()
      return store
    }

    beforeEach(() => {
      root = mkdtempSync(join(tmpdir(), 'millrace-store-'))
      random = prng(seed)
    })
    afterEach(async () => {
      for (const store of opened.splice(0)) await store.close()
      rmSync(root, { recursive: true, force: true })
    })

    it('finds and walks what was ingested, over many generations', async () => {
      const store = await openStore('db')
      const model: Model = new Map()
      for (let generation = 0; generation < 20; generation++) {
        await store.ingest([ingestion(random, model, 600, generation % 5 === 4)])
        if (generation % 10 === 9) expectSame(store, model, everything)
      }
      for (let group = 0; group < keyGroups; group++) expectSame(store, model, rangeOfKeyGroups(group, group))
      expectReads(store, model, random)
    })

    it('takes many buffers as one generation', async () => {
      const store = await openStore('db')
      const model: Model = new Map()
      const buffers = Array.from({ length: 40 }, () => ingestion(random, model, 50, false))
      await store.ingest(buffers)
      expectSame(store, model, everything)
    })

    it('links itself into a directory that opens as the store of that time', async () => {
      const store = await openStore('db')
      const model: Model = new Map()
      const then: Model[] = []
      const tables: (readonly StoreTable[])[] = []
      for (let round = 0; round < 5; round++) {
        await store.ingest([ingestion(random, model, 500, round === 3)])
        mkdirSync(join(root, `snapshot-${round}`))
        tables.push(await store.snapshot(join(root, `snapshot-${round}`)))
        then.push(new Map(model))
      }
      for (let round = 0; round < 5; round++) {
        const copy = `copy-${round}`
        place(join(root, `snapshot-${round}`), join(root, copy), tables[round]!)
        expectSame(await openStore(copy), then[round]!, everything)
      }
      expectSame(store, model, everything)
    })

    it('names the content of immutable tables by unique ids', async () => {
      const store = await openStore('db')
      await store.ingest([ingestion(random, new Map(), 500, false)])
      mkdirSync(join(root, 'one'))
      mkdirSync(join(root, 'two'))
      const one = await store.snapshot(join(root, 'one'))
      const two = await store.snapshot(join(root, 'two'))
      expect(two).toEqual(one)
      place(join(root, 'one'), join(root, 'copy'), one)
      const copy = await openStore('copy')
      for (const [each, directory] of [
        [store, 'three'],
        [copy, 'four'],
      ] as const) {
        await each.ingest([ingestion(random, new Map(), 500, false)])
        mkdirSync(join(root, directory))
      }
      const known = new Set(one.map((table) => table.uniqueId))
      const fresh = [
        ...(await store.snapshot(join(root, 'three'))),
        ...(await copy.snapshot(join(root, 'four'))),
      ].filter(({ uniqueId }) => uniqueId !== undefined && !known.has(uniqueId))
      expect(new Set(fresh.map(({ uniqueId }) => uniqueId)).size).toBe(fresh.length)
    })

    it('cuts itself down to a range and copies ranges from others', async () => {
      const left = await openStore('left')
      const right = await openStore('right')
      const leftModel: Model = new Map()
      const rightModel: Model = new Map()
      for (let i = 0; i < 3; i++) {
        await left.ingest([ingestion(random, leftModel, 800, false)])
        await right.ingest([ingestion(random, rightModel, 800, i === 1)])
      }
      await left.keepOnly(rangeOfKeyGroups(2, 4))
      const expected: Model = new Map([...leftModel].filter(([key]) => groupOf(key) >= 2 && groupOf(key) <= 4))
      expectSame(left, expected, everything)
      await left.copyFrom(right, rangeOfKeyGroups(5, 6))
      for (const [key, value] of rightModel) if (groupOf(key) === 5 || groupOf(key) === 6) expected.set(key, value)
      expectSame(left, expected, everything)
      expectReads(left, expected, random)
    })

    it('keeps a walk as it was when it began', async () => {
      const store = await openStore('db')
      const model: Model = new Map()
      await store.ingest([ingestion(random, model, 2000, false)])
      const before = new Map(model)
      const scan = store.scan(everything)
      expect(scan.next()).toBe(true)
      for (let i = 0; i < 10; i++) await store.ingest([ingestion(random, model, 500, false)])
      let count = 1
      while (scan.next()) count++
      scan.close()
      expect(count).toBe(before.size)
    })
  })
}

/** Random puts and deletes, and a range of one key group, applied to the model as well. */
function ingestion(random: Prng, model: Model, count: number, dropsGroup: boolean): Uint8Array {
  const writer = new PackedEntriesWriter()
  if (dropsGroup) {
    const group = random.nextBelow(keyGroups)
    const { lower, upper } = rangeOfKeyGroups(group, group)
    writer.deleteRange(lower, upper)
    for (const key of model.keys()) if (groupOf(key) === group) model.delete(key)
  }
  const seen = new Set<string>()
  for (let i = 0; i < count; i++) {
    const key = randomKey(random)
    const hex = key.toString('hex')
    if (seen.has(hex)) continue
    seen.add(hex)
    if (random.nextFloat() < 0.2) {
      writer.delete(key, 0, key.length)
      model.delete(hex)
    } else {
      const value = Buffer.from('v'.repeat(random.nextBelow(60)) + i)
      writer.put(key, 0, key.length, value, 0, value.length)
      model.set(hex, value.toString())
    }
  }
  return writer.written().slice()
}

function randomKey(random: Prng): Buffer {
  const key = Buffer.alloc(6 + random.nextBelow(3))
  key.writeUInt16BE(random.nextBelow(keyGroups), 0)
  key.writeUInt32BE(random.nextBelow(700), 2)
  return key
}

const groupOf = (hex: string): number => Number.parseInt(hex.slice(0, 4), 16)

function expectSame(store: DiskStore, model: Model, range: KeyRange): void {
  const lower = Buffer.from(range.lower).toString('hex')
  const upper = Buffer.from(range.upper).toString('hex')
  const expected = [...model].filter(([key]) => key >= lower && key < upper).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const found: [string, string][] = []
  const scan = store.scan(range)
  while (scan.next()) {
    const bytes = Buffer.from(scan.bytes)
    found.push([
      bytes.toString('hex', scan.keyStart, scan.keyEnd),
      bytes.toString('utf8', scan.valueStart, scan.valueEnd),
    ])
  }
  scan.close()
  expect(found).toEqual(expected)
}

function expectReads(store: DiskStore, model: Model, random: Prng): void {
  const keys = Array.from({ length: 2000 }, () => randomKey(random))
  const offsets = new Uint32Array(keys.length + 1)
  keys.forEach((key, i) => (offsets[i + 1] = offsets[i]! + key.length))
  store.multiGet(Buffer.concat(keys), offsets, keys.length)
  let at = 0
  keys.forEach((key, i) => {
    const length = store.valueLengths[i]!
    const found = length < 0 ? undefined : Buffer.from(store.values).toString('utf8', at, at + length)
    if (length > 0) at += length
    if (found !== model.get(key.toString('hex'))) expect(found).toBe(model.get(key.toString('hex')))
  })
}

function place(from: string, to: string, tables: readonly StoreTable[]): void {
  mkdirSync(to)
  expect(readdirSync(from).toSorted()).toEqual(tables.map(({ name }) => name).toSorted())
  for (const { name, uniqueId } of tables) {
    if (uniqueId === undefined) copyFileSync(join(from, name), join(to, name))
    else linkSync(join(from, name), join(to, name))
  }
}
