/**
 * A sink of the tests: each transaction is a file of lines that appears by rename when it is committed. What is in the
 * directory is exactly what the outside world has seen.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { failPoint } from '../../src/common/fail-points.ts'
import { Progress } from '../../src/common/progress.ts'
import type { Sink } from '../../src/connectors/sink.ts'

export interface Transaction {
  readonly name: string
}

export interface TransactionSinkOptions {
  /** Called before each commit; may throw. */
  readonly beforeCommit?: (transaction: Transaction) => void
  /** Lines to a transaction; so that a checkpoint has several. */
  readonly linesMax?: number
}

/** `pending-*` files are prepared, others committed. */
export function transactionSink(
  directory: string,
  { beforeCommit, linesMax = 500 }: TransactionSinkOptions = {},
): Sink<unknown, Transaction, never> {
  return {
    name: 'transactions',
    prepare: () => void mkdirSync(directory, { recursive: true }),
    createWriter(context) {
      const lines: string[] = []
      const { subtaskIndex, attempt } = context.task
      let count = 0
      return {
        write: (value) => void lines.push(JSON.stringify(value)),
        flush: () => Progress.Done,
        prepareCommit() {
          const prepared: Transaction[] = []
          while (lines.length > 0) {
            const name = `${process.pid}-${Date.now()}-${attempt}-${subtaskIndex}-${count++}`
            writeFileSync(join(directory, `pending-${name}`), `${lines.splice(0, linesMax).join('\n')}\n`)
            prepared.push({ name })
          }
          return prepared
        },
      }
    },
    createCommitter: () => ({
      async commit(requests) {
        for (const request of requests) {
          beforeCommit?.(request.committable)
          const { name } = request.committable
          const from = join(directory, `pending-${name}`)
          if (existsSync(join(directory, name))) request.signalAlreadyCommitted()
          else renameSync(from, join(directory, name))
          failPoint('halfway-through-commit')
        }
      },
    }),
    abortJob: () => void rmSync(directory, { recursive: true, force: true }),
  }
}

/** Every committed value. */
export function committedValues(directory: string): unknown[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .filter((name) => !name.startsWith('pending-'))
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown)
}
