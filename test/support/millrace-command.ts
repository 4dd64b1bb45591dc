/** Runs the command line as a user does: as a process of its own, on the built package. */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { join } from 'node:path'
import { root } from './repository.ts'

export interface Finished {
  /** Undefined where a signal ended the process. */
  readonly exitCode: number | undefined
  readonly stdout: string
  readonly stderr: string
}

const environment = { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1' }

/** `millrace …args`, which brings dist up to date first. */
export function startMillrace(args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  return start([join(root, 'scripts', 'millrace.mjs'), ...args], options)
}

/** `node …args`. Start `startMillrace` once before, so that dist is up to date. */
export function start(args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  return spawn(process.execPath, args, { cwd: root, env: environment, stdio: ['ignore', 'pipe', 'pipe'], ...options })
}

export const millrace = (...args: readonly string[]): Promise<Finished> => finished(startMillrace(args))
export const node = (...args: readonly string[]): Promise<Finished> => finished(start(args))

/** Waits for the end of a process and gathers what it printed. */
export function finished(process: ChildProcess): Promise<Finished> {
  let stdout = ''
  let stderr = ''
  process.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  process.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  return new Promise((resolve, reject) => {
    process.on('error', reject)
    process.on('close', (code) => resolve({ exitCode: code ?? undefined, stdout, stderr }))
  })
}

/** Resolves with what was printed so far once it matches. */
export function printed(
  process: ChildProcess,
  pattern: RegExp | ((text: string) => boolean),
  stream: 'stdout' | 'stderr' = 'stdout',
): Promise<string> {
  const isMatch = typeof pattern === 'function' ? pattern : (text: string): boolean => pattern.test(text)
  let text = ''
  return new Promise((resolve, reject) => {
    process[stream]?.on('data', (part: string | Uint8Array) => {
      text += part.toString()
      if (isMatch(text)) resolve(text)
    })
    process.on('close', (code) => reject(new Error(`ended with ${code} before printing ${pattern}: ${text}`)))
  })
}
