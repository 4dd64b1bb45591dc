/**
 * The directory of an exactly-once output before and after the job. Coordinator only; cold.
 *
 * Invariant: while a job writes, `.<prefix>.owner` names it and its process. Another job is refused as long as that process
 * lives; the same job is not (its job directory has a lock of its own).
 */
import { dirname } from 'node:path'
import type { FileSystem } from '../../common/file-system.ts'
import { MillraceError } from '../../common/errors.ts'
import { type ProcessIdentity, systemProcesses } from '../../common/processes.ts'
import { parsePartName, type PartNaming } from './part-name.ts'
import { sinkError } from './sink-error.ts'
import { syncDirectories } from './sync-directories.ts'
import { walkDirectory } from './walk-directory.ts'

/**
 * Before a job that starts anew: refuses a directory that holds visible files (or removes them where it may), and removes
 * hidden parts of runs that never completed a checkpoint. A restored job finds everything as it is.
 */
export async function prepareExactlyOnce(
  fileSystem: FileSystem,
  directory: string,
  naming: PartNaming,
  options: { readonly isRestored: boolean; readonly overwrite: boolean; readonly jobId: string },
): Promise<void> {
  const context = { file: directory }
  try {
    const found = await fileSystem.stat(directory)
    if (found !== undefined && !found.isDirectory) {
      throw new MillraceError('MR_SINK_EXISTS', `the output path ${directory} is a file, not a directory`, { context })
    }
    const owner = ownerPath(directory, naming)
    await refuseInUse(fileSystem, directory, owner, options.jobId)
    if (!options.isRestored) await clearOutput(fileSystem, directory, naming, options.overwrite)
    if (found === undefined) await makeDirectoryDurably(fileSystem, directory)
    await own(fileSystem, owner, options.jobId)
  } catch (error) {
    throw sinkError(directory, error)
  }
}

interface Owner {
  readonly jobId: string
  readonly process: ProcessIdentity
}

const ownerPath = (directory: string, { prefix }: PartNaming): string => `${directory}/.${prefix}.owner`

/** MR_SINK_EXISTS where another job writes into the directory, in another process that runs. */
async function refuseInUse(fileSystem: FileSystem, directory: string, path: string, jobId: string): Promise<void> {
  if ((await fileSystem.stat(path)) === undefined) return
  const owner = parseOwner(await fileSystem.readFile(path))
  if (owner === undefined || owner.jobId === jobId || owner.process.pid === process.pid) return
  if (!systemProcesses.isAlive(owner.process)) return
  const { pid, host } = owner.process
  const message = `process ${pid} on ${host} is writing to ${directory}; if it is gone, remove ${path}`
  throw new MillraceError('MR_SINK_EXISTS', message, { context: { file: directory } })
}

/** Undefined where a power cut has left nothing that makes sense. */
function parseOwner(content: Uint8Array): Owner | undefined {
  try {
    return JSON.parse(Buffer.from(content).toString('utf8')) as Owner
  } catch {
    return undefined
  }
}

/** That a directory cannot be written shows here, before the job starts. */
async function own(fileSystem: FileSystem, path: string, jobId: string): Promise<void> {
  const owner: Owner = { jobId, process: systemProcesses.self() }
  const handle = await fileSystem.open(path, 'truncate')
  try {
    await handle.write(Buffer.from(JSON.stringify(owner)))
  } finally {
    await handle.close()
  }
}

/** Makes a directory and those above it, so that all of them outlive a power cut. */
async function makeDirectoryDurably(fileSystem: FileSystem, directory: string): Promise<void> {
  const parent = dirname(directory)
  if ((await fileSystem.stat(parent)) === undefined) await makeDirectoryDurably(fileSystem, parent)
  await fileSystem.makeDirectory(directory)
  await fileSystem.syncDirectory(parent)
}

async function clearOutput(
  fileSystem: FileSystem,
  directory: string,
  naming: PartNaming,
  overwrite: boolean,
): Promise<void> {
  const files = await walkDirectory(fileSystem, directory)
  const visible = files.filter(({ name }) => !name.startsWith('.'))
  if (visible.length > 0 && !overwrite) {
    const names = visible.slice(0, 3).map(({ name }) => name)
    const message = `the output directory ${directory} is not empty (it holds ${names.join(', ')}${visible.length > 3 ? ', …' : ''})`
    throw new MillraceError('MR_SINK_EXISTS', message, { context: { file: directory } })
  }
  for (const file of files) {
    if (overwrite || isLeaving(naming, file.name)) await fileSystem.unlink(`${file.directory}/${file.name}`)
  }
}

/**
 * After a job that has finished: everything is published, so parts in progress are leavings of crashed attempts. What
 * savepoints hold or count on (`kept`, `superseded`) stays: the job may be started from them.
 */
export async function removeLeavings(fileSystem: FileSystem, directory: string, naming: PartNaming): Promise<void> {
  await fileSystem.remove(ownerPath(directory, naming))
  const changed = new Set<string>()
  for (const { directory: place, name } of await walkDirectory(fileSystem, directory)) {
    const stage = parsePartName(naming, name)?.stage
    if (stage === 'inprogress') await fileSystem.unlink(`${place}/${name}`)
    // An attempt that failed may have shown it again.
    if (stage === 'published') changed.add(place)
  }
  await syncDirectories(fileSystem, changed)
}

/** After a job that failed and will not go on: what was published stays; an output without anything in it goes. */
export async function abandonOutput(fileSystem: FileSystem, directory: string, naming: PartNaming): Promise<void> {
  await removeLeavings(fileSystem, directory, naming)
  if ((await walkDirectory(fileSystem, directory)).length === 0) await fileSystem.remove(directory)
}

function isLeaving(naming: PartNaming, name: string): boolean {
  const stage = parsePartName(naming, name)?.stage
  return stage === 'inprogress' || stage === 'superseded'
}
