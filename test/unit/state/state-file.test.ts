import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { openSnapshotSource } from '../../../src/checkpoint/snapshot-files.ts'
import { nodeFileSystem } from '../../../src/common/file-system.ts'
import { types } from '../../../src/data/types.ts'
import { codecFor } from '../../../src/data/value-codec.ts'
import type { Namespace } from '../../../src/state/keyed-state-backend.ts'
import { ManagedBackend } from '../../../src/state/managed/managed-backend.ts'
import { BlockBuilder, BlockOp, BlockReader, encodeFileHeader } from '../../../src/state/snapshot-layout.ts'
import type { StoredFile } from '../../../src/state/snapshot-store.ts'
import { openStateFile } from '../../../src/state/state-file.ts'
import { MemorySnapshotStore } from '../../support/memory-snapshot-store.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const schema = {
  maxParallelism: 128,
  states: [{ name: 'n', kind: 'value' as const, type: { kind: 'float64' as const }, isTimed: false }],
}

function blockOf(namespace: Namespace, entries: number): Uint8Array {
  const builder = new BlockBuilder({ op: BlockOp.Upsert, state: 0, keyClass: 0, namespace })
  for (let key = 0; key < entries; key++) builder.add(key % 128, key, key / 2, codecFor({ kind: 'float64' }))
  return builder.take()
}

/** Of more than what is read whole. */
function largeFile(): Uint8Array {
  const blocks = Array.from({ length: 60 }, (_, i) => blockOf(i % 3, i % 7 === 0 ? 1 : 4000))
  return Buffer.concat([encodeFileHeader(schema), ...blocks])
}

function placed(directory: string, bytes: Uint8Array): StoredFile {
  const file = { path: 'shared/f', bytes: bytes.length, crc32: crc32(bytes), shared: true }
  const path = join(directory, file.path)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
  return file
}

test('a large file is handed out in whole blocks, wherever its pieces end', async () => {
  const bytes = largeFile()
  const store = new MemorySnapshotStore()
  const directory = temporaryDirectory()
  const sources = [
    { from: store, file: await store.writeShared('f', [bytes]) },
    { from: openSnapshotSource(directory, nodeFileSystem), file: placed(directory, bytes) },
  ]
  for (const { from, file } of sources) {
    expect(from.pieces!(file)).toBeDefined()
    const opened = await openStateFile(from, file)
    expect(opened.schema).toEqual(schema)
    const expected = [0, 1, 2].map((namespace) => [
      namespace,
      Array.from({ length: 60 }, (_, i) => (i % 3 !== namespace ? 0 : i % 7 === 0 ? 1 : 4000)).reduce<number>(
        (a, b) => a + b,
        0,
      ),
    ])
    expect([...opened.written].map(({ namespace, count }) => [namespace, count])).toEqual(expected)
    const blocks: Uint8Array[] = []
    for await (const part of opened.blocks()) {
      const block = new BlockReader(part, 0)
      while (block.next());
      blocks.push(new Uint8Array(part))
    }
    expect(Buffer.concat([encodeFileHeader(schema), ...blocks]).equals(bytes)).toBe(true)
  }
})

test('a wrong or missing byte anywhere in a large file is found before any of it is handed out', async () => {
  const bytes = largeFile()
  const directory = temporaryDirectory()
  const file = placed(directory, bytes)
  const path = join(directory, file.path)
  const header = encodeFileHeader(schema).length
  const source = openSnapshotSource(directory, nodeFileSystem)
  // Magic, version, length of the schema, schema; length, operation, class and count of the first block; some more.
  for (const at of [0, 4, 9, 20, header, header + 3, header + 4, header + 5, header + 9, 1_500_000, bytes.length - 1]) {
    const damaged = Buffer.from(bytes)
    damaged[at]! ^= 0x80
    writeFileSync(path, damaged)
    await expect(openStateFile(source, file), `byte ${at}`).rejects.toMatchObject({ code: 'MR_CHECKPOINT_CORRUPT' })
  }
  for (const length of [0, 5, header + 2, bytes.length - 1]) {
    writeFileSync(path, bytes.subarray(0, length))
    await expect(openStateFile(source, file), `${length} bytes`).rejects.toMatchObject({
      code: 'MR_CHECKPOINT_CORRUPT',
    })
  }
  writeFileSync(path, bytes)
  expect((await openStateFile(source, file)).path).toBe(file.path)
  await expect(openStateFile(source, { ...file, path: 'shared/g' })).rejects.toMatchObject({
    code: 'MR_CHECKPOINT_CORRUPT',
  })
})

test('restores what a program of the first format version has written', async () => {
  const bytes = Buffer.concat([encodeFileHeader(schema), blockOf(0, 500)])
  bytes.writeUInt32LE(1, 4)
  const keyGroupRange = { first: 0, last: 127 }
  const backend = new ManagedBackend({ keyGroupRange, maxParallelism: 128 })
  const store = new MemorySnapshotStore()
  const files = [await store.writeShared('f', [bytes])]
  await backend.restore([{ backend: 'managed', formatVersion: 1, keyGroupRange, files, meta: {} }], store)
  const state = backend.value<number>({ kind: 'value', name: 'n', type: types.float64() })
  for (let key = 0; key < 500; key++) {
    backend.setCurrentKey(key)
    expect(state.value()).toBe(key / 2)
  }
})
