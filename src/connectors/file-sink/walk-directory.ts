/** All files below a directory, through the file system's door. Cold. */
import type { FileSystem } from '../../common/file-system.ts'

export interface WalkedFile {
  /** Absolute path of the directory it lies in. */
  readonly directory: string
  readonly name: string
}

/**
 * Nothing where the directory is not there. A file that is renamed meanwhile is answered under its old name at least, so
 * that no part's count is missed.
 */
export async function walkDirectory(fileSystem: FileSystem, directory: string): Promise<WalkedFile[]> {
  const files: WalkedFile[] = []
  const visit = async (path: string): Promise<void> => {
    for (const name of await fileSystem.list(path)) {
      const child = `${path}/${name}`
      const found = await fileSystem.stat(child)
      if (found?.isDirectory === true) await visit(child)
      else files.push({ directory: path, name })
    }
  }
  if ((await fileSystem.stat(directory))?.isDirectory === true) await visit(directory)
  return files
}
