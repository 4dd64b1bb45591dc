import { expect, test } from 'vitest'
import { openSnapshotSink, openSnapshotSource } from '../../../src/checkpoint/snapshot-files.ts'
import type { FileHandle, FileSystem } from '../../../src/common/file-system.ts'
import { ForgetfulDisk } from '../../../src/testing/forgetful-disk.ts'
import { operatorId } from '../../support/checkpoints.ts'

const directory = '/data/job'

/** A disk whose writes take some turns of the event loop, read their bytes at the end, and are noted. */
async function slowDisk(log: string[], failAt = Infinity): Promise<FileSystem> {
  const disk = new ForgetfulDisk({ seed: 1 })
  await disk.makeDirectory(`${directory}/checkpoints/chk-1`)
  await disk.makeDirectory(`${directory}/shared`)
  let writes = 0
  const slow = (file: FileHandle): FileHandle => ({
    async write(bytes) {
      const write = ++writes
      log.push(`write ${write}`)
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
      if (write === failAt) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
      await file.write(bytes.slice())
      log.push(`written ${write}`)
    },
    sync: () => file.sync(),
    async close() {
      log.push('close')
      await file.close()
    },
  })
  return new Proxy(disk, {
    get(target, name) {
      if (name === 'open') return async (...args: Parameters<FileSystem['open']>) => slow(await target.open(...args))
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  }) as unknown as FileSystem
}

/** Chunks made in two buffers by turns, as backends do. */
function* inTwoBuffers(log: string[], count: number): Generator<Uint8Array> {
  const buffers = [new Uint8Array(1000), new Uint8Array(1000)]
  for (let chunk = 1; chunk <= count; chunk++) {
    log.push(`make ${chunk}`)
    yield buffers[chunk & 1]!.fill(chunk)
  }
}

const sinkOf = (fileSystem: FileSystem): ReturnType<typeof openSnapshotSink> =>
  openSnapshotSink({ directory, epoch: 1, checkpointId: 1, operatorId, subtaskIndex: 0, fileSystem })

test('a chunk is made while the one before is written, and in the memory of none that is', async () => {
  const log: string[] = []
  const fileSystem = await slowDisk(log)
  const file = await sinkOf(fileSystem).writeShared('x', inTwoBuffers(log, 4))
  const made = ['make 1', 'write 1', 'make 2', 'written 1', 'write 2', 'make 3', 'written 2', 'write 3', 'make 4']
  expect(log).toEqual([...made, 'written 3', 'write 4', 'written 4', 'close'])
  const bytes = await openSnapshotSource(directory, fileSystem).read(file)
  expect(bytes).toEqual(new Uint8Array(4000).map((_, i) => 1 + Math.floor(i / 1000)))
})

test('of chunks that come asynchronously each is written before the next is asked for', async () => {
  const log: string[] = []
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield* inTwoBuffers(log, 2)
  }
  await sinkOf(await slowDisk(log)).writeExclusive('x', chunks())
  expect(log).toEqual(['make 1', 'write 1', 'written 1', 'make 2', 'write 2', 'written 2', 'close'])
})

test('a file that cannot be written whole is closed only after the last write, and removed', async () => {
  for (const failAt of [1, 2, 3]) {
    const log: string[] = []
    const fileSystem = await slowDisk(log, failAt)
    await expect(sinkOf(fileSystem).writeShared('x', inTwoBuffers(log, 3))).rejects.toMatchObject({
      code: 'MR_CHECKPOINT_FAILED',
    })
    expect(log.at(-1)).toBe('close')
    expect(await fileSystem.list(`${directory}/shared`)).toEqual([])
  }
  // What makes the chunks fails while one is written.
  const log: string[] = []
  const fileSystem = await slowDisk(log)
  function* chunks(): Generator<Uint8Array> {
    yield* inTwoBuffers(log, 1)
    throw new Error('no more')
  }
  await expect(sinkOf(fileSystem).writeShared('x', chunks())).rejects.toMatchObject({ code: 'MR_CHECKPOINT_FAILED' })
  expect(log).toEqual(['make 1', 'write 1', 'written 1', 'close'])
  expect(await fileSystem.list(`${directory}/shared`)).toEqual([])
})
