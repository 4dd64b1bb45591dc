/**
 * The file system as a scope sees it: every operation waits for its turn, may take (virtual) time, and is done whether or
 * not whoever asked for it lives to hear so. Behind it lies a ForgetfulDisk.
 */
import type { FileHandle, FileSystem } from '../../common/file-system.ts'
import type { Prng } from '../../common/prng.ts'
import type { Scope } from './world.ts'

/** Counted in writes, not in bytes: how many bytes V8 takes for the same object is no matter of seeds. */
export interface DiskRoom {
  writesLeft: number
}

/** What lies behind changes when the machine does; see `ForgetfulDisk.crash`. */
export interface DiskUnder {
  readonly disk: FileSystem
  /** The longest that an operation takes, virtual ms. */
  readonly slowMsMax: number
  readonly room: DiskRoom
}

export function simulatedFiles(scope: Scope, random: Prng, { disk, slowMsMax, room }: DiskUnder): FileSystem {
  const operation = async <T>(label: string, act: () => Promise<T>): Promise<T> => {
    if (slowMsMax > 0 && random.nextBelow(4) === 0) {
      const delayMs = random.nextFloat() ** 2 * slowMsMax
      await new Promise<void>((resolve) => void scope.after(delayMs, resolve))
    } else await scope.park(label)
    try {
      return await act()
    } finally {
      // Done, but nobody knows yet.
      if (random.nextBelow(3) === 0 || scope.isDead) await scope.park(`${label} done`)
    }
  }
  const handle = (file: FileHandle): FileHandle => ({
    write: (bytes) => {
      // As the operating system does: the bytes are the ones at the time of the call.
      const copy = Uint8Array.from(bytes)
      return operation('write', async () => {
        if (room.writesLeft > 0) {
          room.writesLeft--
          return await file.write(copy)
        }
        await file.write(copy.subarray(0, random.nextBelow(copy.byteLength + 1)))
        throw Object.assign(new Error('ENOSPC: no space left on the simulated disk'), { code: 'ENOSPC' })
      })
    },
    sync: () => operation('sync', () => file.sync()),
    close: () => operation('close', () => file.close()),
  })
  return {
    open: (path, mode) => operation('open', async () => handle(await disk.open(path, mode))),
    readFile: (path) => operation('read', () => disk.readFile(path)),
    rename: (from, to) => operation('rename', () => disk.rename(from, to)),
    link: (existing, to) => operation('link', () => disk.link(existing, to)),
    unlink: (path) => operation('unlink', () => disk.unlink(path)),
    truncate: (path, bytes) => operation('truncate', () => disk.truncate(path, bytes)),
    makeDirectory: (path) => operation('makeDirectory', () => disk.makeDirectory(path)),
    list: (path) => operation('list', () => disk.list(path)),
    stat: (path) => operation('stat', () => disk.stat(path)),
    remove: (path) => operation('remove', () => disk.remove(path)),
    syncDirectory: (path) => operation('syncDirectory', () => disk.syncDirectory(path)),
  }
}
