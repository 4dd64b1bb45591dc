/**
 * One process at a time runs a job directory. The lock is a file `lock.<generation>` that names its owner: process id,
 * start time of that process and boot of the machine, so that a process that was killed leaves a lock that is seen to
 * be stale, also where its id is in use again.
 *
 * Invariants
 * 1. A lock file appears whole (link from a temporary file) and never twice under one name.
 * 2. Having created its file, a taker looks again: where another live owner shows, it gives way. Of two takers at
 *    least the one whose file came second sees the other's, so that never both go on.
 */
import { errnoOf } from '../common/durable-file.ts'
import { MillraceError } from '../common/errors.ts'
import type { FileSystem } from '../common/file-system.ts'
import { type ProcessIdentity, type ProcessTable, systemProcesses } from '../common/processes.ts'

export interface JobDirectoryLock {
  release(): Promise<void>
}

const locked = (directory: string, owner: ProcessIdentity, path: string): MillraceError =>
  new MillraceError(
    'MR_JOB_DIR_LOCKED',
    `${directory} is in use by process ${owner.pid} on ${owner.host}; if that process is gone, remove ${path}`,
    { context: { file: path } },
  )

let takes = 0

export async function acquireJobDirectoryLock(
  directory: string,
  fileSystem: FileSystem,
  processes: ProcessTable = systemProcesses,
): Promise<JobDirectoryLock> {
  const self = processes.self()
  const temporary = `${directory}/lock.tmp-${self.pid}-${takes++}`
  const handle = await fileSystem.open(temporary, 'truncate')
  await handle.write(Buffer.from(JSON.stringify(self)))
  await handle.close()
  try {
    for (;;) {
      const seen = await liveOwner(directory, fileSystem, processes)
      if (seen.owner !== undefined) throw locked(directory, seen.owner, seen.path)
      const mine = `${directory}/lock.${seen.generation + 1}`
      try {
        await fileSystem.link(temporary, mine)
      } catch (error) {
        if (errnoOf(error) === 'EEXIST') continue
        throw error
      }
      const again = await liveOwner(directory, fileSystem, processes, mine)
      if (again.owner !== undefined) {
        await fileSystem.remove(mine)
        throw locked(directory, again.owner, again.path)
      }
      for (const stale of again.stale) await fileSystem.remove(stale)
      return { release: () => fileSystem.remove(mine) }
    }
  } finally {
    await fileSystem.remove(temporary)
  }
}

interface Seen {
  readonly generation: number
  readonly owner: ProcessIdentity | undefined
  readonly path: string
  readonly stale: readonly string[]
}

async function liveOwner(
  directory: string,
  fileSystem: FileSystem,
  processes: ProcessTable,
  except?: string,
): Promise<Seen> {
  const stale: string[] = []
  let generation = 0
  for (const name of await fileSystem.list(directory)) {
    const match = /^lock\.(?:(\d+)|tmp-(\d+)-\d+)$/.exec(name)
    if (match === null) continue
    const path = `${directory}/${name}`
    generation = Math.max(generation, Number(match[1] ?? 0))
    const owner = path === except ? undefined : await readOwner(path, fileSystem)
    if (path === except) continue
    if (match[1] === undefined) {
      if (Number(match[2]) !== processes.self().pid && (owner === undefined || !processes.isAlive(owner)))
        stale.push(path)
    } else if (owner !== undefined && processes.isAlive(owner)) return { generation, owner, path, stale }
    else stale.push(path)
  }
  return { generation, owner: undefined, path: '', stale }
}

/** Undefined where the file is gone or holds nothing that makes sense (its bytes were lost in a power cut). */
async function readOwner(path: string, fileSystem: FileSystem): Promise<ProcessIdentity | undefined> {
  try {
    const parsed = JSON.parse(Buffer.from(await fileSystem.readFile(path)).toString('utf8')) as ProcessIdentity
    return typeof parsed?.pid === 'number' ? parsed : undefined
  } catch (error) {
    if (error instanceof SyntaxError || errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
