import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import { acquireJobDirectoryLock } from '../../../src/checkpoint/job-directory-lock.ts'
import { systemProcesses } from '../../../src/common/processes.ts'
import { prng } from '../../../src/common/prng.ts'
import { ForgetfulDisk } from '../../../src/testing/forgetful-disk.ts'
import { processTable } from '../../support/checkpoints.ts'

async function newDisk(seed = 1): Promise<ForgetfulDisk> {
  const disk = new ForgetfulDisk({ seed, slowTurnsMax: 4 })
  await disk.makeDirectory('/job')
  return disk
}

test('a live owner keeps others out and is named; released, the directory is free', async () => {
  const disk = await newDisk()
  const lock = await acquireJobDirectoryLock('/job', disk, processTable(11))
  await expect(acquireJobDirectoryLock('/job', disk, processTable(12, new Set([11])))).rejects.toMatchObject({
    code: 'MR_JOB_DIR_LOCKED',
    message: '/job is in use by process 11 on here; if that process is gone, remove /job/lock.1',
  })
  await lock.release()
  expect(disk.files()).toEqual([])
  await acquireJobDirectoryLock('/job', disk, processTable(12, new Set([11])))
})

test('a dead owner, and a lock whose bytes were lost, are passed over', async () => {
  const disk = await newDisk()
  await acquireJobDirectoryLock('/job', disk, processTable(11))
  await acquireJobDirectoryLock('/job', disk, processTable(12))
  expect(disk.files()).toEqual(['/job/lock.2'])
  await (await disk.open('/job/lock.2', 'truncate')).close()
  await acquireJobDirectoryLock('/job', disk, processTable(13))
  expect(disk.files()).toEqual(['/job/lock.3'])
})

test('of takers that race for a stale lock never two win, in 500 seeds', async () => {
  for (let seed = 1; seed <= 500; seed++) {
    const disk = await newDisk(seed)
    await acquireJobDirectoryLock('/job', disk, processTable(1))
    const takers = 2 + prng(seed).nextBelow(3)
    const alive = new Set(Array.from({ length: takers }, (_, index) => 10 + index))
    const taken = await Promise.allSettled(
      [...alive].map((pid) => acquireJobDirectoryLock('/job', disk, processTable(pid, alive))),
    )
    const won = taken.filter(({ status }) => status === 'fulfilled')
    expect(won.length, `seed ${seed}`).toBeLessThanOrEqual(1)
  }
})

test('tells a living process from a dead one, and from another with the same id', async () => {
  const self = systemProcesses.self()
  expect(systemProcesses.isAlive(self)).toBe(true)
  expect(systemProcesses.isAlive({ ...self, startedAt: 'another boot/1' })).toBe(false)
  const child = spawn(process.execPath, ['-e', ''])
  await new Promise((resolve) => child.on('exit', resolve))
  expect(systemProcesses.isAlive({ ...self, pid: child.pid! })).toBe(false)
  expect(systemProcesses.isAlive({ ...self, host: 'elsewhere', pid: child.pid! })).toBe(true)
})
