/** The C++ loop over RocksDB as a child process: built on demand, fed files of keys. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface LoopAnswer {
  readonly sum: number
  readonly cpuSeconds: number
}

export class NativeLoop {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(child: ChildProcess) {
    this.#child = child
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  }

  /** Resolves once a database of `keyCount` counters is filled. Memory: block cache and two memtables. */
  static async start(
    directory: string,
    keyCount: number,
    cacheBytes: number,
    memtableBytes: number,
  ): Promise<NativeLoop> {
    const program = build(directory)
    const data = join(directory, 'loop')
    mkdirSync(data)
    const child = spawn(program, [data, `${keyCount}`, `${cacheBytes}`, `${memtableBytes}`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const loop = new NativeLoop(child)
    const first = await loop.#line()
    if (first !== 'ready') throw new Error(`the loop answered ${first}`)
    return loop
  }

  /** Increments every counter named in a file of u32 numbers. */
  async run(idsPath: string): Promise<LoopAnswer> {
    this.#child.stdin!.write(`${idsPath}\n`)
    const [sum, cpuSeconds] = (await this.#line()).split(' ').map(Number)
    return { sum: sum!, cpuSeconds: cpuSeconds! }
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.stdin!.end()
    await exited
  }

  async #line(): Promise<string> {
    const step = await this.#lines.next()
    if (step.done === true) throw new Error('the loop has ended')
    return step.value
  }
}

function build(directory: string): string {
  const program = join(directory, 'rocksdb-loop')
  const asked = spawnSync('pkg-config', ['--cflags', '--libs', 'rocksdb'], { encoding: 'utf8' })
  const flags = asked.status === 0 ? asked.stdout.trim().split(/\s+/) : ['-lrocksdb']
  execFileSync('g++', ['-O2', '-std=c++17', join(import.meta.dirname, 'rocksdb-loop.cc'), '-o', program, ...flags])
  return program
}
