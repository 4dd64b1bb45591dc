/** Makes names durable in many directories: some at a time, as each sync holds a thread of the pool. */
import type { FileSystem } from '../../common/file-system.ts'
import { eachInLanes } from '../../common/lanes.ts'

/** What is synced, sealed or renamed at a time. */
export const syncLanes = 64

export function syncDirectories(fileSystem: FileSystem, directories: Iterable<string>): Promise<void> {
  return eachInLanes(directories, syncLanes, (directory) => fileSystem.syncDirectory(directory))
}
