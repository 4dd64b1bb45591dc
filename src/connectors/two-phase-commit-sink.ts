/**
 * Two-phase commit as Flink's TwoPhaseCommitSinkFunction has it, over writer and committer.
 *
 * Invariants
 * 1. Between two checkpoints there is one open transaction; at a barrier it is pre-committed and becomes a committable,
 *    and the next one has been begun before (in `flush`), so that a snapshot can name it.
 * 2. After a restore, transactions of the checkpoint are committed (`recoverAndCommit`), and the one that was open then is
 *    aborted (`recoverAndAbort`): its records come again.
 * 3. A transaction is plain data, enough to find it again from another process. Commits and aborts may come twice.
 */
import { failPoint } from '../common/fail-points.ts'
import { Progress } from '../common/progress.ts'
import type { OperatorContext, TaskInfo } from '../operators/operator.ts'
import { CallsInTurn } from './calls-in-turn.ts'
import type { Committer, CommitRequest, Sink, SinkWriter } from './sink.ts'

/** What a two-phase commit sink does with its transactions; `Txn` is plain data. */
export interface TwoPhaseCommitFunctions<T, Txn> {
  /** Runs once per subtask and attempt, before anything else. */
  open?(task: TaskInfo): void | Promise<void>
  beginTransaction(): Txn | Promise<Txn>
  /** Writes a record into the open transaction. While a promise is under way no more records are taken. */
  invoke(transaction: Txn, value: T, timestampMs: number): void | Promise<void>
  /** Makes everything written durable, so that `commit` cannot fail for want of it. */
  preCommit(transaction: Txn): void | Promise<void>
  /** Publishes a pre-committed transaction. Idempotent; a failure is retried (`sink.committer.retries`). */
  commit(transaction: Txn): void | Promise<void>
  /** Drops a transaction that will not be committed. */
  abort(transaction: Txn): void | Promise<void>
  /** Default: `commit`. */
  recoverAndCommit?(transaction: Txn): void | Promise<void>
  /** Default: `abort`. */
  recoverAndAbort?(transaction: Txn): void | Promise<void>
  close?(): void | Promise<void>
}

/** A transaction on its way to being committed. */
export interface TransactionCommittable<Txn> {
  readonly transaction: Txn
}

/**
 * A sink out of a function that makes each subtask's transactions. With checkpoints each record is published exactly once;
 * without, everything is committed at the end.
 * @example
 * import { appendFileSync, renameSync, rmSync } from 'node:fs'
 * let count = 0
 * words.sinkTo(
 *   twoPhaseCommitSink<string, string>(() => ({
 *     beginTransaction: () => `transaction-${process.pid}-${count++}`,
 *     invoke: (transaction, word) => appendFileSync(transaction, `${word}\n`),
 *     preCommit: () => {},
 *     commit: (transaction) => renameSync(transaction, `${transaction}.done`),
 *     abort: (transaction) => rmSync(transaction, { force: true }),
 *   })),
 * )
 */
export function twoPhaseCommitSink<T, Txn>(
  create: () => TwoPhaseCommitFunctions<T, Txn>,
  options: { readonly name?: string } = {},
): Sink<T, TransactionCommittable<Txn>, Txn> {
  return {
    name: options.name ?? 'twoPhaseCommitSink',
    createWriter: (context) => new TransactionWriter(functionsOf(context, create), context),
    createCommitter: (context) => new TransactionCommitter(functionsOf(context, create)),
  }
}

/** Answers the sink itself: a place for its types. */
export function defineSink<T, Committable = never, WriterState = never>(
  sink: Sink<T, Committable, WriterState>,
): Sink<T, Committable, WriterState> {
  return sink
}

/** Writer and committer of a subtask share one set of functions, opened once by whoever comes first. */
interface Shared<T, Txn> {
  readonly functions: TwoPhaseCommitFunctions<T, Txn>
  readonly opened: () => Promise<void>
}

const sharedByContext = new WeakMap<OperatorContext, Shared<unknown, unknown>>()

function functionsOf<T, Txn>(context: OperatorContext, create: () => TwoPhaseCommitFunctions<T, Txn>): Shared<T, Txn> {
  const found = sharedByContext.get(context)
  if (found !== undefined) return found as Shared<T, Txn>
  const functions = create()
  let opening: Promise<void> | undefined
  const opened = (): Promise<void> => (opening ??= Promise.resolve(functions.open?.(context.task)))
  const shared = { functions, opened }
  sharedByContext.set(context, shared as Shared<unknown, unknown>)
  return shared
}

/** Committables that were prepared in this thread and life: all others come from a checkpoint. */
const preparedHere = new WeakSet<object>()

class TransactionCommitter<T, Txn> implements Committer<TransactionCommittable<Txn>> {
  readonly #shared: Shared<T, Txn>

  constructor(shared: Shared<T, Txn>) {
    this.#shared = shared
  }

  async commit(requests: readonly CommitRequest<TransactionCommittable<Txn>>[]): Promise<void> {
    await this.#shared.opened()
    const failures: unknown[] = []
    const committed: CommitRequest<TransactionCommittable<Txn>>[] = []
    for (const [index, request] of requests.entries()) {
      if (index > 0) failPoint('halfway-through-commit')
      try {
        await this.#commit(request.committable)
        committed.push(request)
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length === 0) return
    // The failed ones alone are tried again; one of the failures is what the job reports in the end.
    for (const request of committed) request.signalAlreadyCommitted()
    throw failures[0]
  }

  async #commit(committable: TransactionCommittable<Txn>): Promise<void> {
    const { functions } = this.#shared
    const isRecovered = !preparedHere.has(committable)
    if (isRecovered && functions.recoverAndCommit !== undefined) {
      await functions.recoverAndCommit(committable.transaction)
    } else await functions.commit(committable.transaction)
  }
}

class TransactionWriter<T, Txn> implements SinkWriter<T, TransactionCommittable<Txn>, Txn> {
  readonly #shared: Shared<T, Txn>
  #restored: readonly Txn[] = []
  #current: { readonly transaction: Txn } | undefined
  /** The transaction after the current one, begun by `flush`. */
  #next: { readonly transaction: Txn } | undefined
  #isBeginning = false
  readonly #calls: CallsInTurn<T>
  #isClosed = false

  constructor(shared: Shared<T, Txn>, context: OperatorContext) {
    this.#shared = shared
    this.#calls = new CallsInTurn(context, (value, timestampMs) => {
      const { transaction } = this.#current as { readonly transaction: Txn }
      return shared.functions.invoke(transaction, value, timestampMs)
    })
  }

  restoreState(states: readonly Txn[]): void {
    this.#restored = states
  }

  async open(): Promise<void> {
    const { functions, opened } = this.#shared
    await opened()
    for (const transaction of this.#restored) {
      await (functions.recoverAndAbort === undefined
        ? functions.abort(transaction)
        : functions.recoverAndAbort(transaction))
    }
    this.#current = { transaction: await functions.beginTransaction() }
  }

  write(value: T, timestampMs: number): void {
    this.#calls.add(value, timestampMs)
  }

  isFull(): boolean {
    return this.#calls.isBusy
  }

  flush(endOfInput: boolean): Progress {
    this.#calls.throwIfFailed()
    if (!endOfInput && this.#next === undefined && !this.#isBeginning) this.#begin()
    return this.#calls.isBusy ? Progress.Blocked : Progress.Done
  }

  async prepareCommit(): Promise<readonly TransactionCommittable<Txn>[]> {
    const prepared = this.#current
    this.#current = this.#next
    this.#next = undefined
    if (prepared === undefined) return []
    const committable = { transaction: prepared.transaction }
    preparedHere.add(committable)
    await this.#shared.functions.preCommit(prepared.transaction)
    return [committable]
  }

  /** The transaction that is open after the barrier: it is aborted where this checkpoint is restored. */
  snapshotState(): readonly Txn[] {
    return this.#current === undefined ? [] : [this.#current.transaction]
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#calls.close()
    const { functions } = this.#shared
    for (const open of [this.#current, this.#next]) if (open !== undefined) await functions.abort(open.transaction)
    this.#current = this.#next = undefined
    await functions.close?.()
  }

  #begin(): void {
    const begun = this.#shared.functions.beginTransaction()
    if (!(begun instanceof Promise)) {
      this.#next = { transaction: begun }
      return
    }
    this.#isBeginning = true
    this.#calls.track(
      begun.then((transaction) => {
        this.#isBeginning = false
        this.#next = { transaction }
      }),
    )
  }
}
