/** Whole files that appear at once and durably: write under a temporary name, sync, rename, sync the directory. */
import type { FileSystem } from './file-system.ts'

/**
 * Replaces `path` by `bytes`; what `beforeRename` waits for has happened before it does. A crash leaves the old content or the new one, and perhaps `path.tmp`.
 * On failure the temporary file is removed (as far as the disk lets us) and Node's error is thrown.
 */
export async function writeFileDurably(
  fileSystem: FileSystem,
  path: string,
  bytes: Uint8Array,
  beforeRename?: () => void | Promise<void>,
): Promise<void> {
  const temporary = `${path}.tmp`
  try {
    const handle = await fileSystem.open(temporary, 'truncate')
    try {
      await handle.write(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await beforeRename?.()
    await fileSystem.rename(temporary, path)
  } catch (error) {
    await fileSystem.remove(temporary).catch(() => undefined)
    throw error
  }
  await fileSystem.syncDirectory(parentOf(path))
}

/** Makes a directory durable with all parents that may be as new as itself, as far as we may open those. */
export async function syncWithParents(fileSystem: FileSystem, directory: string): Promise<void> {
  await fileSystem.syncDirectory(directory)
  for (let path = directory; path !== '/';) {
    path = parentOf(path)
    await fileSystem.syncDirectory(path).catch(() => undefined)
  }
}

/** The directory part of an absolute path with forward slashes. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash <= 0 ? '/' : path.slice(0, slash)
}

/** Node's error code (`ENOENT`, …) of a thrown value. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined
}
