import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { finished, millrace, node, printed, startMillrace } from '../support/millrace-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const jobs = 'test/fixtures/jobs'

describe('millrace run', () => {
  it('runs a module, prints to stdout what the job prints, and a summary to stderr', async () => {
    const { exitCode, stdout, stderr } = await millrace('run', `${jobs}/own-run.ts`, '-p', '1', '--', '--count', '2')
    expect(stdout).toBe('n1\nn2\n')
    expect(stderr).toMatch(/^own-run finished in .*: 2 records read/)
    expect(exitCode).toBe(0)
  })

  it('ends with one line of JSON where asked to', async () => {
    const { exitCode, stdout, stderr } = await millrace('run', `${jobs}/own-run.ts`, '--json', '-p', '1')
    expect(JSON.parse(stdout.split('\n').at(-2)!)).toMatchObject({
      jobName: 'own-run',
      status: 'FINISHED',
      recordsRead: 3,
    })
    expect(stderr).toBe('')
    expect(exitCode).toBe(0)
  })

  it('is what a module does that runs itself', async () => {
    const { exitCode, stdout } = await node(`${jobs}/own-run.ts`, '--prefix', 'x', '-p', '1', '--quiet', '--count', '1')
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: 'x1\n' })
    const failed = await node(`${jobs}/own-run.ts`, '--count', 'many')
    expect(failed.exitCode).toBe(2)
    expect(failed.stderr).toContain("parameter --count must be a whole number, got 'many'")
  })
})

describe('a failing run', () => {
  const failing: [string, string, string[], number][] = [
    ['an unknown command', 'MR_CLI_USAGE', ['rnu'], 2],
    ['an unknown option', 'MR_CLI_USAGE', ['run', `${jobs}/own-run.ts`, '--parallelsim', '2'], 2],
    ['a module that is not there', 'MR_CLI_USAGE', ['run', 'nowhere.ts'], 2],
    ['no default export', 'MR_JOB_NO_DEFAULT_EXPORT', ['run', `${jobs}/no-default.ts`], 2],
    ['a program that throws', 'MR_JOB_MODULE_FAILED', ['run', `${jobs}/throws-while-building.ts`], 2],
    ['a parallelism over the maximum', 'MR_PLAN_PARALLELISM', ['run', `${jobs}/own-run.ts`, '-p', '40000'], 2],
    ['an unknown key', 'MR_CONFIG_UNKNOWN_OPTION', ['run', `${jobs}/own-run.ts`, '-D', 'paralelism.default=1'], 2],
    ['a bad value', 'MR_CONFIG_INVALID_VALUE', ['run', `${jobs}/own-run.ts`, '-D', 'execution.runtime-mode=fast'], 2],
    ['a missing parameter', 'MR_PARAMETER_MISSING', ['run', 'examples/word-count.ts'], 2],
    [
      'a missing file',
      'MR_SOURCE_NOT_FOUND',
      ['run', 'examples/word-count.ts', '--', '--input', '/nowhere', '--output', '/tmp/x'],
      2,
    ],
    ['another graph in a slot', 'MR_PLAN_MISMATCH', ['run', `${jobs}/differs-in-slots.ts`, '-p', '1'], 1],
    ['a function that throws', 'MR_USER_FUNCTION_FAILED', ['run', `${jobs}/fails.ts`, '-p', '1'], 1],
    ['a worker that exits', 'MR_WORKER_DIED', ['run', `${jobs}/fails.ts`, '-p', '1', '--', '--how', 'exit'], 1],
    [
      'a worker without memory',
      'MR_WORKER_OUT_OF_MEMORY',
      [
        'run',
        `${jobs}/fails.ts`,
        '-p',
        '1',
        '-D',
        'taskmanager.memory.heap-per-slot.size=64 mb',
        '--',
        '--how',
        'memory',
      ],
      1,
    ],
  ]

  it.for(failing)('%s: %s', async ([, code, args, exitCode]) => {
    const found = await millrace(...args)
    expect(found.stderr).toContain(`error ${code}: `)
    expect(found.stderr).toMatch(/\n {2}advice: .+\n$/)
    expect(found.exitCode).toBe(exitCode)
    expect(found.stdout).toBe('')
  })

  it('names the operator, the record and the place in the user’s file', async () => {
    const { stderr } = await millrace('run', `${jobs}/fails.ts`, '-p', '1')
    expect(stderr).toMatch(/operator explode, subtask 0/)
    expect(stderr).toMatch(/TypeError: cannot take 77/)
    expect(stderr).toMatch(/at explode \(.*fails\.ts:\d+:\d+\)/)
  })

  it('is a line of JSON where asked to', async () => {
    const { exitCode, stdout, stderr } = await millrace('run', `${jobs}/fails.ts`, '-p', '1', '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'FAILED',
      error: { code: 'MR_USER_FUNCTION_FAILED', context: { operator: 'explode', subtask: 0 } },
    })
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: '' })
  })
})

describe('Ctrl-C', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('%s cancels the job and exits with 130', async (signal) => {
    const process = startMillrace(['run', `${jobs}/endless.ts`, '-p', '1'])
    const end = finished(process)
    await printed(process, /^1$/m)
    process.kill(signal)
    const { exitCode, stderr } = await end
    expect(stderr).toContain('cancelling the job')
    expect(stderr).toContain('error MR_JOB_CANCELED')
    expect(exitCode).toBe(130)
  })
})

/** Nobody opens the other end: who opens it waits for ever, in a call of the system. */
function deadPipe(path = join(temporaryDirectory(), 'pipe')): string {
  execFileSync('mkfifo', [path])
  return path
}

describe('a call of the system that does not return', () => {
  const soon = ['-D', 'task.cancellation.timeout=1 s']

  it('left behind by a function does not keep the command from ending', async () => {
    const how = ['--how', 'leave hanging', '--pipe', deadPipe()]
    const process = startMillrace(['run', `${jobs}/fails.ts`, '-p', '1', ...soon, '--', ...how])
    const { stderr } = await finished(process)
    expect(stderr).toContain('error MR_USER_FUNCTION_FAILED')
    expect(stderr).toContain('these calls go on, so that the process is killed: a thread of the slots')
    expect(process.signalCode).toBe('SIGKILL')
  })

  it('in a slot is an error of its own, and the job directory stays locked for as long as it lasts', async () => {
    const directory = temporaryDirectory()
    const how = ['--how', 'hang', '--pipe', deadPipe()]
    const process = startMillrace(['run', `${jobs}/fails.ts`, '-p', '1', '--job-dir', directory, ...soon, '--', ...how])
    const end = finished(process)
    await printed(process, /hangs/)
    process.kill('SIGINT')
    const { stderr } = await end
    expect(stderr).toMatch(/error MR_WORKER_HUNG: the thread of slot 0 did not end within 1000 ms/)
    expect(process.signalCode).toBe('SIGKILL')
    expect(readdirSync(directory).some((name) => name.startsWith('lock.'))).toBe(true)
    const once = ['-D', 'restart-strategy.type=none']
    const again = await millrace('run', `${jobs}/fails.ts`, '-p', '1', '--job-dir', directory, ...once)
    expect(again.stderr).toContain('error MR_USER_FUNCTION_FAILED')
  })

  it('of the job directory is given up, and named', async () => {
    const directory = temporaryDirectory()
    await millrace('run', `${jobs}/own-run.ts`, '-p', '1', '--job-dir', directory)
    mkdirSync(join(directory, 'checkpoints', 'chk-7'), { recursive: true })
    const path = deadPipe(join(directory, 'checkpoints', 'chk-7', '_metadata'))
    const bound = ['-D', 'fs.call-timeout=1 s']
    const process = startMillrace(['run', `${jobs}/own-run.ts`, '-p', '1', '--job-dir', directory, ...bound])
    const { stderr } = await finished(process)
    expect(stderr).toContain(`error MR_FILE_SYSTEM_TIMEOUT: ${path}: the file system has not answered for 1000 ms`)
    expect(process.signalCode).toBe('SIGKILL')
  })

  it('does not keep a second Ctrl-C from ending the process', async () => {
    const how = ['--how', 'hang', '--pipe', deadPipe()]
    const process = startMillrace(['run', `${jobs}/fails.ts`, '-p', '1', '--', ...how])
    const end = finished(process)
    await printed(process, /hangs/)
    process.kill('SIGINT')
    await printed(process, /once more ends the process/, 'stderr')
    process.kill('SIGINT')
    await end
    expect(process.signalCode).toBe('SIGINT')
  })
})

describe('a job that is killed', () => {
  it('leaves its compiled code to the next start', async () => {
    const directory = temporaryDirectory()
    const running = startMillrace(['run', `${jobs}/endless.ts`, '-p', '1'], {
      env: { ...process.env, NODE_COMPILE_CACHE: directory },
    })
    const end = finished(running)
    const cachedFiles = (): number => readdirSync(directory, { recursive: true }).length
    await vi.waitFor(() => expect(cachedFiles()).toBeGreaterThan(20), { timeout: 20_000, interval: 50 })
    running.kill('SIGKILL')
    await end
  })
})

describe('help', () => {
  it('shows commands, options and examples', async () => {
    const general = await millrace('--help')
    expect(general.exitCode).toBe(0)
    for (const text of ['run', 'explain', 'Examples:']) expect(general.stdout).toContain(text)
    const run = await millrace('run', '--help')
    for (const text of ['--parallelism', '--json', '-D', 'Exit codes', 'Examples:']) expect(run.stdout).toContain(text)
    const none = await millrace()
    expect(none.stdout).toContain('Usage: millrace')
    expect((await millrace('options')).stdout).toContain('execution.checkpointing.interval\n  duration')
  })
})

describe('millrace explain', () => {
  const args = ['explain', 'examples/word-count.ts', '-p', '2']
  const program = ['--', '--input', 'README.md', '--output', '/tmp/never']

  it('prints text, plan JSON and Mermaid', async () => {
    expect((await millrace(...args, ...program)).stdout).toContain('Job graph: 2 vertices, 1 exchange')
    const json = JSON.parse((await millrace(...args, '--format', 'json', ...program)).stdout)
    expect(json.nodes[0]).toMatchObject({ id: 1, pact: 'Data Source', parallelism: 2 })
    expect((await millrace(...args, '--format', 'mermaid', ...program)).stdout).toMatch(/^flowchart LR\n/)
    expect((await millrace(...args, '--format', 'png', ...program)).stderr).toContain('MR_CLI_USAGE')
  })
})
