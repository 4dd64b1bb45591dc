import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { answeringFileSystem } from '../../../src/common/answering-file-system.ts'
import { type FileSystem, nodeFileSystem } from '../../../src/common/file-system.ts'
import type { Timers } from '../../../src/common/timers.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** Time passes when it is told to. */
function manualTimers(): Timers & { readonly waiting: Set<() => void>; pass(): void } {
  const waiting = new Set<() => void>()
  return {
    waiting,
    after(_, run) {
      waiting.add(run)
      return () => void waiting.delete(run)
    },
    turn: () => Promise.resolve(),
    pass: () => {
      for (const run of waiting) run()
    },
  }
}

const never = (): Promise<never> => new Promise(() => {})
const hanging: FileSystem = {
  open: never,
  readFile: never,
  readChunks: () => ({ [Symbol.asyncIterator]: () => ({ next: never }) }),
  rename: never,
  link: never,
  unlink: never,
  truncate: never,
  makeDirectory: never,
  list: never,
  stat: never,
  remove: never,
  syncDirectory: never,
}
const calls: Record<keyof FileSystem, (fileSystem: FileSystem) => Promise<unknown>> = {
  open: (fileSystem) => fileSystem.open('/d/f', 'append'),
  readFile: (fileSystem) => fileSystem.readFile('/d/f'),
  readChunks: async (fileSystem) => {
    for await (const chunk of fileSystem.readChunks!('/d/f')) void chunk
  },
  rename: (fileSystem) => fileSystem.rename('/d/f', '/d/g'),
  link: (fileSystem) => fileSystem.link('/d/f', '/d/g'),
  unlink: (fileSystem) => fileSystem.unlink('/d/f'),
  truncate: (fileSystem) => fileSystem.truncate('/d/f', 1),
  makeDirectory: (fileSystem) => fileSystem.makeDirectory('/d/f'),
  list: (fileSystem) => fileSystem.list('/d/f'),
  stat: (fileSystem) => fileSystem.stat('/d/f'),
  remove: (fileSystem) => fileSystem.remove('/d/f'),
  syncDirectory: (fileSystem) => fileSystem.syncDirectory('/d/f'),
}

test.each(Object.keys(calls) as (keyof FileSystem)[])('%s that does not return is given up', async (name) => {
  const timers = manualTimers()
  const fileSystem = answeringFileSystem(hanging, { timers, timeoutMs: 1500 })
  const call = calls[name](fileSystem)
  call.catch(() => undefined)
  await new Promise((resolve) => setImmediate(resolve))
  expect(timers.waiting.size).toBe(1)
  timers.pass()
  await expect(call).rejects.toMatchObject({
    code: 'MR_FILE_SYSTEM_TIMEOUT',
    message: expect.stringMatching(/^\/d\/f: .* 1500 ms/),
    context: { file: '/d/f' },
  })
  // Whatever comes next is refused at once: nobody knows what the first one is still going to do.
  for (const next of Object.values(calls)) {
    await expect(next(fileSystem)).rejects.toMatchObject({ code: 'MR_FILE_SYSTEM_TIMEOUT' })
  }
  expect(timers.waiting.size).toBe(0)
})

test('an open file whose disk stops to answer', async () => {
  const timers = manualTimers()
  const handle = { write: never, sync: never, close: async () => {} }
  const fileSystem = answeringFileSystem({ ...hanging, open: async () => handle }, { timers, timeoutMs: 10 })
  const file = await fileSystem.open('/d/f', 'exclusive')
  const writing = file.write(new Uint8Array(1))
  timers.pass()
  await expect(writing).rejects.toMatchObject({ code: 'MR_FILE_SYSTEM_TIMEOUT', context: { file: '/d/f' } })
  await expect(file.sync()).rejects.toMatchObject({ code: 'MR_FILE_SYSTEM_TIMEOUT' })
  await expect(file.close()).rejects.toMatchObject({ code: 'MR_FILE_SYSTEM_TIMEOUT' })
})

test('what the disk answers in time is passed on, errors too, and nothing waits afterwards', async () => {
  const timers = manualTimers()
  const fileSystem = answeringFileSystem(nodeFileSystem, { timers, timeoutMs: 10 })
  const directory = temporaryDirectory()
  const path = join(directory, 'a')
  const file = await fileSystem.open(path, 'exclusive')
  await file.write(Buffer.from('hello'))
  await file.sync()
  await file.close()
  writeFileSync(join(directory, 'large'), Buffer.alloc(3_000_000, 7))
  let bytes = 0
  for await (const chunk of fileSystem.readChunks!(join(directory, 'large'))) bytes += chunk.length
  expect(bytes).toBe(3_000_000)
  for await (const chunk of fileSystem.readChunks!(join(directory, 'large'))) {
    bytes -= chunk.length
    break
  }
  expect(bytes).toBeLessThan(3_000_000)
  expect(Buffer.from(await fileSystem.readFile(path)).toString()).toBe('hello')
  expect(await fileSystem.list(directory)).toEqual(['a', 'large'])
  await expect(fileSystem.open(path, 'exclusive')).rejects.toMatchObject({ code: 'EEXIST' })
  await expect(fileSystem.readFile(join(directory, 'b'))).rejects.toMatchObject({ code: 'ENOENT' })
  expect(timers.waiting.size).toBe(0)
})
