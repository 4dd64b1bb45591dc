/**
 * Working directories of backends on disk. They hold nothing that outlives the process: what a process that was killed
 * has left behind is removed by the next one that works in the same place.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeDirectorySync } from '../../common/file-system.ts'
import { diskFailure } from './disk-failure.ts'

const prefix = 'millrace-state'

/** A new directory below `parent`, which is made where it is missing. */
export function makeWorkingDirectory(parent: string, kind: string): string {
  makeDirectory(parent)
  for (const name of readdirSync(parent)) {
    if (isAbandoned(name)) rmSync(join(parent, name), { recursive: true, force: true })
  }
  return mkdtempSync(join(parent, `${prefix}-${kind}-${process.pid}-`))
}

function makeDirectory(path: string): void {
  try {
    makeDirectorySync(path)
  } catch (error) {
    throw diskFailure(error, `making the directory ${path}`)
  }
}

function isAbandoned(name: string): boolean {
  const [, pid] = /^millrace-state-[a-z]+-(\d+)-/.exec(name) ?? []
  return pid !== undefined && Number(pid) !== process.pid && !isAlive(Number(pid))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
