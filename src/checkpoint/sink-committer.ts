/**
 * Phase two of a sink in one subtask: keeps what the writer has prepared until the checkpoint that holds it is complete,
 * then commits it. Cold; the subtask's thread.
 *
 * Invariants
 * 1. Batches are committed in the order of their checkpoints, one call of the committer at a time.
 * 2. A batch leaves `snapshot()` only once all of it is committed: what a crash interrupts is committed again.
 * 3. A transaction that cannot be committed fails the job, named, and stays in the state.
 */
import { MillraceError } from '../common/errors.ts'
import { failPoint } from '../common/fail-points.ts'
import { isWithin, sleep, systemTimers, type Timers } from '../common/timers.ts'
import type { Committer, CommitRequest } from '../connectors/sink.ts'
import type { CommittableBatch } from './checkpoint-metadata.ts'

export interface SinkCommitterOptions {
  readonly sinkName: string
  /** How often a failed commit is tried again: `sink.committer.retries`. */
  readonly retries: number
  /** How long one call of the committer may take. Default: for ever. */
  readonly timeoutMs?: number
  /** Default: the machine's. */
  readonly timers?: Timers
}

/** Pause before the first retry; it doubles up to the longest. */
const backoffMsFirst = 50
const backoffMsMax = 10_000
const transactionPrintCharsMax = 200

type Verdict = 'committed' | 'retry' | { readonly failed: unknown }

export class SinkCommitter<Committable = unknown> {
  readonly #committer: Committer<Committable>
  readonly #options: SinkCommitterOptions
  #pending: CommittableBatch[] = []
  #tail: Promise<void> = Promise.resolve()

  constructor(committer: Committer<Committable>, options: SinkCommitterOptions) {
    this.#committer = committer
    this.#options = options
  }

  /** What the writer prepared at the barrier of `checkpointId`. */
  add(checkpointId: number, committables: readonly Committable[]): void {
    failPoint('between-precommit-and-ack')
    if (committables.length > 0) this.#pending.push({ checkpointId, committables })
  }

  /** Everything that is not known to be committed, oldest first. */
  snapshot(): readonly CommittableBatch[] {
    return [...this.#pending]
  }

  /** Takes what a completed checkpoint held, and commits it. */
  async restore(batches: readonly CommittableBatch[]): Promise<void> {
    this.#pending = [...batches].toSorted((a, b) => a.checkpointId - b.checkpointId)
    await this.commitUpTo(Number.POSITIVE_INFINITY)
  }

  /** Commits the batches of completed checkpoints. MR_SINK_COMMIT_FAILED once retries are used up. */
  commitUpTo(checkpointId: number): Promise<void> {
    const committed = this.#tail.then(() => this.#commitUpTo(checkpointId))
    this.#tail = committed.catch(() => undefined)
    return committed
  }

  /** A savepoint is going to hold what is not committed by now. */
  keep(): Promise<void> {
    const kept = this.#tail.then(() => this.#keep())
    this.#tail = kept.catch(() => undefined)
    return kept
  }

  async close(): Promise<void> {
    await this.#tail
    await this.#committer.close?.()
  }

  async #keep(): Promise<void> {
    if (this.#committer.keep === undefined) return
    for (const batch of this.#pending.slice()) {
      const committables = await this.#committer.keep(batch.committables as readonly Committable[])
      this.#pending = this.#pending.map((one) => (one === batch ? { ...batch, committables } : one))
    }
  }

  async #commitUpTo(checkpointId: number): Promise<void> {
    for (;;) {
      const batch = this.#pending[0]
      if (batch === undefined || batch.checkpointId > checkpointId) return
      await this.#commit(batch.committables as readonly Committable[])
      this.#pending = this.#pending.filter((one) => one !== batch)
      failPoint('after-commit')
    }
  }

  async #commit(committables: readonly Committable[]): Promise<void> {
    let open = committables
    for (let tries = 0; open.length > 0; tries++) {
      if (tries > 0)
        await sleep(this.#options.timers ?? systemTimers, Math.min(backoffMsMax, backoffMsFirst * 2 ** (tries - 1)))
      const { left, cause } = await this.#try(open, tries)
      if (left.length > 0 && tries >= this.#options.retries) throw this.#failed(left, tries, cause)
      open = left
    }
  }

  async #try(
    open: readonly Committable[],
    numberOfRetries: number,
  ): Promise<{ readonly left: readonly Committable[]; readonly cause: unknown }> {
    const verdicts = new Map<number, Verdict>()
    const requests = open.map((committable, index): CommitRequest<Committable> => ({
      committable,
      numberOfRetries,
      retryLater: () => void verdicts.set(index, 'retry'),
      signalAlreadyCommitted: () => void verdicts.set(index, 'committed'),
      signalFailedWithKnownReason: (reason) => void verdicts.set(index, { failed: reason }),
    }))
    let cause: unknown
    let silent: Verdict = 'committed'
    let isInTime = true
    try {
      isInTime = await this.#isInTime(this.#committer.commit(requests))
    } catch (error) {
      cause = error
      silent = 'retry'
    }
    if (!isInTime) throw this.#overdue(open, numberOfRetries)
    const left: Committable[] = []
    for (const [index, committable] of open.entries()) {
      const verdict = verdicts.get(index) ?? silent
      if (typeof verdict === 'object') throw this.#failed([committable], numberOfRetries, verdict.failed)
      if (verdict === 'retry') left.push(committable)
    }
    return { left, cause }
  }

  async #isInTime(commit: Promise<void>): Promise<boolean> {
    const { timeoutMs, timers = systemTimers } = this.#options
    if (timeoutMs !== undefined) return await isWithin(timers, commit, timeoutMs)
    await commit
    return true
  }

  /** Not tried again: the call may still be under way. */
  #overdue(open: readonly Committable[], retries: number): MillraceError {
    return this.#failed(open, retries, new Error(`the commit is not over after ${this.#options.timeoutMs} ms`))
  }

  #failed(committables: readonly Committable[], retries: number, cause: unknown): MillraceError {
    const reason =
      cause === undefined ? 'the sink asks to retry' : cause instanceof Error ? cause.message : String(cause)
    const transactions = committables.map(printTransaction).join(', ')
    return new MillraceError(
      'MR_SINK_COMMIT_FAILED',
      `${this.#options.sinkName} could not commit after ${retries} retries: ${reason}; kept in the checkpoint: ${transactions}`,
      { cause, context: { operator: this.#options.sinkName, record: transactions.slice(0, transactionPrintCharsMax) } },
    )
  }
}

function printTransaction(committable: unknown): string {
  let text: string
  try {
    text = typeof committable === 'string' ? committable : (JSON.stringify(committable) ?? String(committable))
  } catch {
    text = String(committable)
  }
  return text.length > transactionPrintCharsMax ? `${text.slice(0, transactionPrintCharsMax)}…` : text
}
