import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import {
  decodeJobRecord,
  decodeMetadata,
  encodeJobRecord,
  encodeMetadata,
} from '../../../src/checkpoint/checkpoint-layout.ts'
import { filesOf } from '../../../src/checkpoint/checkpoint-metadata.ts'
import { readSavepoint } from '../../../src/checkpoint/savepoint.ts'
import { openSnapshotSink, openSnapshotSource } from '../../../src/checkpoint/snapshot-files.ts'
import type { FileSystem } from '../../../src/common/file-system.ts'
import { armFailPoint } from '../../../src/common/fail-points.ts'
import { ForgetfulDisk, PowerCut } from '../../../src/testing/forgetful-disk.ts'
import {
  jobDirectory,
  metadataOf,
  openStore,
  operatorId,
  processTable,
  writeSubtask,
} from '../../support/checkpoints.ts'

/** A directory with two checkpoints, closed. */
async function filled(): Promise<ForgetfulDisk> {
  const disk = new ForgetfulDisk({ seed: 1 })
  const store = await openStore(disk, 1, { numRetained: 2 })
  for (let round = 0; round < 2; round++) {
    const id = store.nextCheckpointId()
    await store.begin(id)
    await store.complete(metadataOf(id, [await writeSubtask(store, disk, id, 0)]))
  }
  await store.close()
  return disk
}

const intact = { fallBackToIntact: false, verify: 'full' } as const

test('finds any flipped byte in any file, names the file, and falls back where allowed', async () => {
  const disk = await filled()
  const newest = disk.files().filter((path) => /chk-2\/|-c2-/.test(path))
  expect(newest).toHaveLength(3)
  for (const path of newest) {
    const { bytes } = (await disk.stat(path))!
    for (let offset = 0; offset < bytes; offset++) {
      disk.flipByte(path, offset)
      if (offset % 7 === 0 || path.endsWith('_metadata')) {
        const store = await openStore(disk, 2, { numRetained: 2 })
        await expect(store.latest(intact), `${path} at ${offset}`).rejects.toMatchObject({
          code: 'MR_CHECKPOINT_CORRUPT',
          context: { file: path },
          message: expect.stringContaining('the previous checkpoint is intact: /data/job/checkpoints/chk-1'),
        })
        const fallen = await store.latest({ fallBackToIntact: true, verify: 'full' })
        expect(fallen?.metadata.checkpointId).toBe(1)
        await store.close()
      }
      disk.flipByte(path, offset)
    }
  }
})

test('a missing or shortened file is found without reading the others', async () => {
  for (const change of ['unlink', 'truncate'] as const) {
    const disk = await filled()
    const path = disk.files().find((name) => name.includes('-c2-'))!
    if (change === 'unlink') await disk.unlink(path)
    else await disk.truncate(path, 1)
    const store = await openStore(disk, 2)
    await expect(store.latest({ fallBackToIntact: false, verify: 'length' })).rejects.toMatchObject({
      code: 'MR_CHECKPOINT_CORRUPT',
      context: { file: path },
    })
    await store.close()
  }
})

test('metadata with a wrong byte is corrupt, of a newer version incompatible', () => {
  const bytes = encodeMetadata(metadataOf(1, []))
  for (let offset = 0; offset < bytes.length; offset++) {
    const wrong = Uint8Array.from(bytes)
    wrong[offset]! ^= 1
    expect(() => decodeMetadata(wrong, 'file'), `offset ${offset}`).toThrow(
      expect.objectContaining({ code: 'MR_CHECKPOINT_CORRUPT' }),
    )
  }
  expect(decodeMetadata(bytes, 'file')).toEqual(metadataOf(1, []))
  const newer = Buffer.from(bytes)
  newer.writeUInt32LE(2, 4)
  newer.writeUInt32LE(crc32(newer.subarray(0, 20)), 20)
  expect(() => decodeMetadata(newer, 'file')).toThrow(expect.objectContaining({ code: 'MR_CHECKPOINT_INCOMPATIBLE' }))
})

test('a job directory of a newer version is unusable', () => {
  const record = {
    formatVersion: 1,
    jobName: 'a',
    jobId: 'b',
    fingerprint: 'c',
    epoch: 1,
    createdMs: 1,
    nextCheckpointId: 1,
  }
  expect(decodeJobRecord(encodeJobRecord(record), 'job.json')).toEqual(record)
  expect(() => decodeJobRecord(encodeJobRecord({ ...record, formatVersion: 2 }), 'job.json')).toThrow(
    expect.objectContaining({ code: 'MR_JOB_DIR_UNUSABLE', message: expect.stringContaining('version 2') }),
  )
})

test('a full disk fails the checkpoint, leaves nothing half-written, and the one before is intact', async () => {
  const disk = new ForgetfulDisk({ seed: 1 })
  const store = await openStore(disk, 1)
  const first = store.nextCheckpointId()
  await store.begin(first)
  await store.complete(metadataOf(first, [await writeSubtask(store, disk, first, 0)]))
  const before = disk.files()
  for (let room = 0; room < 1_000; room += 40) {
    disk.capacityBytes = disk.usedBytes() + room
    const id = store.nextCheckpointId()
    await store.begin(id)
    try {
      await store.complete(metadataOf(id, [await writeSubtask(store, disk, id, 0)]))
      break
    } catch (error) {
      expect(error).toMatchObject({ code: 'MR_CHECKPOINT_FAILED' })
      await store.abort(id)
      expect(disk.files()).toEqual(before)
    }
  }
  disk.capacityBytes = Number.POSITIVE_INFINITY
  expect(await store.latest(intact)).toBeDefined()
})

test('a read-only disk, another job and a newer version are unusable; --fresh takes over', async () => {
  const disk = await filled()
  disk.readOnly = true
  await expect(openStore(disk, 2)).rejects.toMatchObject({ code: 'MR_JOB_DIR_UNUSABLE' })
  disk.readOnly = false
  await expect(openStore(disk, 2, { jobName: 'other' })).rejects.toMatchObject({ code: 'MR_JOB_DIR_UNUSABLE' })
  const store = await openStore(disk, 2, { jobName: 'other', fresh: true })
  expect(await store.latest(intact)).toBeUndefined()
  expect(disk.files().filter((path) => !/job\.json|lock/.test(path))).toEqual([])
  await store.close()
})

test('job.json that is damaged, or missing beside checkpoints, is refused', async () => {
  const disk = await filled()
  disk.flipByte(`${jobDirectory}/job.json`, 60)
  await expect(openStore(disk, 2)).rejects.toMatchObject({ code: 'MR_CHECKPOINT_CORRUPT' })
  await disk.unlink(`${jobDirectory}/job.json`)
  await expect(openStore(disk, 2)).rejects.toMatchObject({ code: 'MR_CHECKPOINT_CORRUPT' })
})

test('shared files live as long as a retained checkpoint refers to them', async () => {
  const disk = new ForgetfulDisk({ seed: 1 })
  const store = await openStore(disk, 1)
  const sharedNames = (): string[] => disk.files().filter((path) => path.includes('/shared/'))
  await store.begin(1)
  const first = await writeSubtask(store, disk, 1, 0)
  await store.complete(metadataOf(1, [first]))
  const base = first.keyed![0]!.files.find(({ shared }) => shared)!
  await store.begin(2)
  await store.complete(metadataOf(2, [await writeSubtask(store, disk, 2, 0, [base])]))
  expect(await store.retain()).toEqual([])
  expect(sharedNames()).toHaveLength(2)
  await store.begin(3)
  await store.complete(metadataOf(3, [await writeSubtask(store, disk, 3, 0)]))
  const unreferenced = await store.retain()
  expect(unreferenced).toHaveLength(2)
  await store.removeShared(unreferenced)
  expect(sharedNames()).toHaveLength(1)
})

test('state files are linked by content, exclusive ones are never used again, and no path leaves the directory', async () => {
  const disk = new ForgetfulDisk({ seed: 1 })
  const store = await openStore(disk, 1)
  await store.begin(1)
  const sink = openSnapshotSink({ ...store.location, checkpointId: 1, operatorId, subtaskIndex: 0, fileSystem: disk })
  const local = await disk.open('/local.sst', 'truncate')
  await local.write(Buffer.from('table'))
  await local.close()
  const linked = await sink.linkShared('/local.sst', 'content-1')
  const source = openSnapshotSource(jobDirectory, disk)
  expect(String(await source.read(linked))).toBe(String(new Uint8Array(Buffer.from('table'))))
  expect(await source.localPath(linked)).toBe(`${jobDirectory}/${linked.path}`)
  const exclusive = await sink.writeExclusive('x', [Buffer.from('x')])
  expect(() => sink.reuse(exclusive)).toThrow(/only shared files/)
  await expect(source.read({ ...linked, path: '../../etc/passwd' })).rejects.toMatchObject({
    code: 'MR_CHECKPOINT_CORRUPT',
  })
  expect(filesOf(metadataOf(1, []))).toEqual([])
})

test('a savepoint survives a power cut wherever it goes, also in directories that were made for it', async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const disk = new ForgetfulDisk({ seed })
    const store = await openStore(disk, 1)
    const id = store.nextCheckpointId()
    await store.begin(id)
    const metadata = metadataOf(id, [await writeSubtask(store, disk, id, 0)], { kind: 'savepoint' })
    const path = await store.writeSavepoint(metadata, '/far/away/savepoints')
    const after = disk.crash()
    const { root, metadata: read } = await readSavepoint(after, path)
    for (const file of filesOf(read)) await openSnapshotSource(root, after).read(file)
  }
})

test('the next opening removes partial savepoints of its own job in its own folder, and no others', async () => {
  const disk = new ForgetfulDisk({ seed: 1 })
  const savepoints = `${jobDirectory}/savepoints`
  const own = (id: number, epoch: number): string => `${savepoints}/savepoint-${id}-${epoch}-11111111`
  const first = await openStore(disk, 1)
  await first.begin(1)
  const metadata = metadataOf(1, [await writeSubtask(first, disk, 1, 0)], { kind: 'savepoint' })
  const whole = await first.writeSavepoint(metadata)
  const far = await first.writeSavepoint(metadata, '/far/away')
  const others = [
    `${savepoints}/savepoint-1-1-22222222`,
    `${savepoints}/a savepoint of the user's`,
    `${own(3, 1)}.tmp-17`,
    own(1, 7),
    '/far/away/savepoint-2-1-11111111',
  ]
  const isDying = armFailPoint('during-savepoint', () => {
    throw new PowerCut('killed')
  })
  // As a process that is killed, it has no chance of removing anything.
  const remove = disk.remove.bind(disk)
  disk.remove = () => Promise.reject(new PowerCut('killed'))
  await expect(first.writeSavepoint({ ...metadata, checkpointId: 2 })).rejects.toThrow('killed')
  disk.remove = remove
  isDying()
  for (const path of [own(3, 1), ...others]) await disk.makeDirectory(`${path}/files`)
  const partial = [own(2, 1), own(3, 1)]
  for (const path of partial) expect(await disk.stat(path)).toBeDefined()
  // Another process that wants the directory is refused before it removes anything.
  await expect(openStore(disk, 2, { processes: processTable(2, new Set([1])) })).rejects.toMatchObject({
    code: 'MR_JOB_DIR_LOCKED',
  })
  for (const path of partial) expect(await disk.stat(path)).toBeDefined()
  const second = await openStore(disk, 3)
  for (const path of partial) expect(await disk.stat(path)).toBeUndefined()
  for (const path of others) expect(await disk.stat(path)).toBeDefined()
  for (const path of [whole, far]) expect((await readSavepoint(disk, path)).metadata.checkpointId).toBe(1)
  await second.close()
})

test("jobs that share a directory for their savepoints do not get into each other's way", async () => {
  const disk = new ForgetfulDisk({ seed: 1 })
  const paths: string[] = []
  for (const job of ['a', 'b']) {
    const store = await openStore(disk, 1, { directory: `/data/${job}`, randomId: () => job.repeat(32) })
    const id = store.nextCheckpointId()
    await store.begin(id)
    paths.push(await store.writeSavepoint(metadataOf(id, [], { kind: 'savepoint' }), 'savepoints/'))
    await store.close()
  }
  expect(new Set(paths).size).toBe(2)
  for (const path of paths) expect(path.startsWith(`${process.cwd()}/savepoints/savepoint-1-1-`)).toBe(true)
})

test('a checkpoint whose metadata the disk does not let go of keeps its files', async () => {
  const disk = new ForgetfulDisk({ seed: 1 })
  let isStuck = false
  const stuck: FileSystem = {
    ...fileSystemOf(disk),
    syncDirectory: (path) => (isStuck && path.endsWith('chk-1') ? Promise.reject(ioError()) : disk.syncDirectory(path)),
    remove: (path) => (isStuck && path.endsWith('_metadata') ? Promise.reject(ioError()) : disk.remove(path)),
    rename: async (from, to) => {
      await disk.rename(from, to)
      isStuck = to.endsWith('chk-1/_metadata')
    },
  }
  const store = await openStore(stuck, 1)
  const id = store.nextCheckpointId()
  await store.begin(id)
  const metadata = metadataOf(id, [await writeSubtask(store, stuck, id, 0)])
  await expect(store.complete(metadata)).rejects.toMatchObject({ code: 'MR_CHECKPOINT_FAILED' })
  await store.close()
  const next = await openStore(disk, 2)
  expect((await next.latest(intact))?.metadata.checkpointId).toBe(1)
})

const ioError = (): Error => Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })

function fileSystemOf(disk: ForgetfulDisk): FileSystem {
  return {
    open: (path, mode) => disk.open(path, mode),
    readFile: (path) => disk.readFile(path),
    rename: (from, to) => disk.rename(from, to),
    link: (existing, to) => disk.link(existing, to),
    unlink: (path) => disk.unlink(path),
    truncate: (path, bytes) => disk.truncate(path, bytes),
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    stat: (path) => disk.stat(path),
    remove: (path) => disk.remove(path),
    syncDirectory: (path) => disk.syncDirectory(path),
  }
}
