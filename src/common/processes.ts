/** Which process is which: what a process leaves behind names its owner, so that others can tell whether it still runs. */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { errnoOf } from './durable-file.ts'

export interface ProcessIdentity {
  readonly pid: number
  /** Start of the process and boot of the machine, opaque; equal for the same process only. */
  readonly startedAt: string
  readonly host: string
}

/** What is known about processes; a door, so that tests can have other processes. */
export interface ProcessTable {
  self(): ProcessIdentity
  isAlive(process: ProcessIdentity): boolean
}

/**
 * The processes of this machine, by /proc where there is one. An owner on another host cannot be looked up and counts
 * as alive.
 */
export const systemProcesses: ProcessTable = {
  self: () => ({ pid: process.pid, startedAt: startOf(process.pid) ?? '', host: hostname() }),
  isAlive(owner) {
    if (owner.host !== hostname()) return true
    try {
      process.kill(owner.pid, 0)
    } catch (error) {
      if (errnoOf(error) === 'ESRCH') return false
    }
    const startedAt = startOf(owner.pid)
    return startedAt === undefined || startedAt === owner.startedAt
  },
}

/** Field 22 of /proc/<pid>/stat (clock ticks since boot) with the boot's id; undefined where there is no /proc. */
export function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie runs nothing any more; its parent has only not asked for its exit code yet.
    return fields[0] === 'Z' ? 'zombie' : `${boot}/${fields[19]}`
  } catch {
    return undefined
  }
}
