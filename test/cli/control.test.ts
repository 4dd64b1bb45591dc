import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it, onTestFinished } from 'vitest'
import { type Finished, finished, printed, startMillrace } from '../support/millrace-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** Sockets of this file's jobs alone. */
const runDirectory = mkdtempSync(join(tmpdir(), 'millrace-run-'))
afterAll(() => rmSync(runDirectory, { recursive: true, force: true }))

const options = () => ({ env: { ...process.env, NO_COLOR: '1', MILLRACE_RUN_DIR: runDirectory } })
const command = (...args: string[]): Promise<Finished> => finished(startMillrace(args, options()))

/** A job that runs and has printed something. */
async function running(
  ...args: string[]
): Promise<{ readonly process: ChildProcess; readonly end: Promise<Finished> }> {
  const process = startMillrace(['run', 'test/fixtures/jobs/endless.ts', '-p', '1', ...args], options())
  onTestFinished(() => void process.kill('SIGKILL'))
  const end = finished(process)
  await printed(process, /^\d+$/m)
  await reachable(process.pid!)
  return { process, end }
}

/** The job opens its socket while it starts. */
async function reachable(pid: number): Promise<void> {
  for (;;) {
    const { stdout } = await command('list', '--json')
    if ((JSON.parse(stdout) as { pid: number }[]).some((job) => job.pid === pid)) return
  }
}

it('lists running jobs and cancels one by its name', async () => {
  const { end } = await running()
  const { stdout } = await command('list')
  expect(stdout).toMatch(/^[0-9a-f]{32} {2}endless {2}RUNNING {2}.* records\n$/)
  expect((await command('savepoint')).stderr).toContain('MR_CHECKPOINT_FAILED')
  expect((await command('cancel', 'another')).stderr).toContain("no job 'another' is running")
  expect((await command('cancel', 'endless')).stdout).toMatch(/^Cancelled job [0-9a-f]{32}\.\n$/)
  expect((await end).exitCode).toBe(130)
  expect((await command('list')).stdout).toBe('No running jobs.\n')
})

it('takes checkpoints and savepoints, stops, and goes on where it stopped', async () => {
  const jobDir = join(temporaryDirectory(), 'job')
  const target = join(temporaryDirectory(), 'savepoints')
  const { end } = await running('--job-dir', jobDir)
  expect((await command('checkpoint', jobDir)).stdout).toMatch(/^Checkpoint \d+: /)
  const savepoint = JSON.parse((await command('savepoint', jobDir, target, '--json')).stdout) as { path: string }
  expect(savepoint.path.startsWith(target)).toBe(true)
  expect(existsSync(savepoint.path)).toBe(true)
  expect((await command('stop', jobDir)).stdout).toMatch(/^Stopped\. Savepoint: .*\n$/)
  const first = await end
  expect(first.exitCode).toBe(0)
  expect(first.stderr).toContain('savepoint ')
  const last = Number(first.stdout.trimEnd().split('\n').at(-1))

  const again = await running('--job-dir', jobDir)
  await command('stop', jobDir, '--drain')
  expect(Number((await again.end).stdout.split('\n')[0])).toBe(last + 1)
})

it('passes over the socket of a process that was killed', async () => {
  const { process: killed, end } = await running()
  killed.kill('SIGKILL')
  await end
  writeFileSync(join(runDirectory, 'not-a-socket.sock'), '')
  expect((await command('list')).stdout).toBe('No running jobs.\n')
})

it('says which process does not answer, and goes on with the others', { timeout: 60_000 }, async () => {
  const { process: paused, end } = await running()
  const other = await running()
  paused.kill('SIGSTOP')
  const { stdout, stderr } = await command('list', '--json')
  expect((JSON.parse(stdout) as { pid: number }[]).map(({ pid }) => pid)).toEqual([other.process.pid])
  expect(stderr).toBe(`warning: process ${paused.pid} has not answered for 5000 ms\n`)
  expect((await command('cancel', 'another')).stderr).toContain(`running; process ${paused.pid} has not answered`)
  paused.kill('SIGCONT')
  expect((await command('list')).stdout.match(/endless/g)).toHaveLength(2)
  for (const { process: running } of [{ process: paused }, other]) running.kill('SIGTERM')
  await end
  await other.end
})
