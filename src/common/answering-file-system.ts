/**
 * A file system whose every call comes to an end: one that takes too long is given up, with an error that names it.
 *
 * Invariant: once a call has been given up all that follow are refused with the same error. What was given up may still
 * happen, at any time, and whoever went on could find a file renamed, or removed, that it has just written.
 */
import { MillraceError } from './errors.ts'
import type { FileHandle, FileSystem } from './file-system.ts'
import { noteHungCall } from './hung-calls.ts'
import { isWithin, type Timers } from './timers.ts'

export interface AnsweringOptions {
  readonly timers: Timers
  /** For one call; of a file that is written or read piece by piece, for one piece. */
  readonly timeoutMs: number
}

/** Errors: those of the file system, and MR_FILE_SYSTEM_TIMEOUT. */
export function answeringFileSystem(fileSystem: FileSystem, { timers, timeoutMs }: AnsweringOptions): FileSystem {
  let givenUp: MillraceError | undefined
  const within = async <T>(what: string, path: string, call: () => Promise<T>): Promise<T> => {
    if (givenUp !== undefined) throw givenUp
    const result = call()
    if (await isWithin(timers, result, timeoutMs)) return await result
    const message = `${path}: the file system has not answered for ${timeoutMs} ms (${what})`
    givenUp ??= new MillraceError('MR_FILE_SYSTEM_TIMEOUT', message, { context: { file: path } })
    noteHungCall(`${what} ${path}`)
    // It may still fail, and nobody listens any more.
    result.catch(() => undefined)
    throw givenUp
  }
  const { readChunks } = fileSystem
  return {
    async open(path, mode) {
      const handle = await within('open', path, () => fileSystem.open(path, mode))
      return answeringHandle(handle, (what, call) => within(what, path, call))
    },
    readFile: (path) => within('read', path, () => fileSystem.readFile(path)),
    ...(readChunks !== undefined && {
      readChunks: (path) => answeringChunks(readChunks.call(fileSystem, path), (call) => within('read', path, call)),
    }),
    rename: (from, to) => within('rename', from, () => fileSystem.rename(from, to)),
    link: (existing, to) => within('link', existing, () => fileSystem.link(existing, to)),
    unlink: (path) => within('unlink', path, () => fileSystem.unlink(path)),
    truncate: (path, bytes) => within('truncate', path, () => fileSystem.truncate(path, bytes)),
    makeDirectory: (path) => within('make directory', path, () => fileSystem.makeDirectory(path)),
    list: (path) => within('list', path, () => fileSystem.list(path)),
    stat: (path) => within('stat', path, () => fileSystem.stat(path)),
    remove: (path) => within('remove', path, () => fileSystem.remove(path)),
    syncDirectory: (path) => within('sync directory', path, () => fileSystem.syncDirectory(path)),
  }
}

type Within = <T>(what: string, call: () => Promise<T>) => Promise<T>

function answeringHandle(handle: FileHandle, within: Within): FileHandle {
  return {
    write: (bytes) => within('write', () => handle.write(bytes)),
    sync: () => within('sync', () => handle.sync()),
    close: () => within('close', () => handle.close()),
  }
}

async function* answeringChunks(
  chunks: AsyncIterable<Uint8Array>,
  within: <T>(call: () => Promise<T>) => Promise<T>,
): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done, value } = await within(() => iterator.next())
      if (done === true) return
      yield value
    }
  } finally {
    await within(async () => iterator.return?.())
  }
}
