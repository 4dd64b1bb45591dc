/** An OperatorContext for sources and sinks alone: fixed clock, mails kept in a queue, nothing keyed. */
import { prng } from '../../src/common/prng.ts'
import { minWatermark, noTimestamp } from '../../src/common/limits.ts'
import { HeapOperatorState } from '../../src/state/heap-operator-state.ts'
import type { Mail, OperatorContext, TaskInfo } from '../../src/operators/operator.ts'

export interface ConnectorContext extends OperatorContext {
  readonly operatorState: HeapOperatorState
  nowMs: number
  /** Runs the mails posted so far. */
  runMails(): number
  /** Resolves when the next mail is posted (at once where one waits). */
  mailPosted(): Promise<void>
  /** Holds taken by holdAsync and not released. */
  readonly holds: number
  readonly counted: Map<string, number>
  readonly settings: Map<string, string>
}

export function connectorContext(task: Partial<TaskInfo> = {}): ConnectorContext {
  const mails: Mail[] = []
  const waiting: (() => void)[] = []
  const counted = new Map<string, number>()
  const settings = new Map<string, string>()
  const add = (name: string, amount: number): void => void counted.set(name, (counted.get(name) ?? 0) + amount)
  let holds = 0
  const context: ConnectorContext = {
    nowMs: 0,
    task: {
      jobName: 'test',
      operatorName: 'operator',
      operatorId: '0'.repeat(32),
      subtaskIndex: 0,
      parallelism: 1,
      maxParallelism: 128,
      attempt: 0,
      ...task,
    },
    clock: { nowMs: () => context.nowMs, monotonicMs: () => context.nowMs },
    prng: prng(1),
    metrics: {
      counter: (name) => ({ inc: (amount = 1) => add(name, amount), count: 0 }),
      gauge: () => ({ set: () => {}, value: 0 }),
    },
    accumulators: { add, min: add, max: add, average: add },
    record: { timestampMs: noTimestamp },
    keyedState: undefined,
    operatorState: new HeapOperatorState(),
    configuration: { get: (key) => settings.get(key) },
    currentWatermarkMs: () => minWatermark,
    post(mail) {
      mails.push(mail)
      for (const wake of waiting.splice(0)) wake()
    },
    holdAsync() {
      holds++
      let isHeld = true
      return {
        release() {
          if (isHeld) holds--
          isHeld = false
        },
      }
    },
    isRestored: false,
    runMails() {
      const now = mails.splice(0)
      for (const mail of now) mail()
      return now.length
    },
    mailPosted: () => (mails.length > 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    get holds() {
      return holds
    },
    counted,
    settings,
  }
  return context
}
