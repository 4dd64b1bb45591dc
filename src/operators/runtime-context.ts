/**
 * Rich functions: user functions with a life cycle, and what they see of the engine. A user function is a plain
 * function or an object; the object may have `open` and `close`, called once per subtask and attempt.
 */
import type { Clock } from '../common/clock.ts'
import { MillraceError } from '../common/errors.ts'
import type { Prng } from '../common/prng.ts'
import type { MetricGroup } from '../metrics/metric-group.ts'
import type {
  AggregatingState,
  AggregatingStateDescriptor,
  KeyedStateBackend,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  ReducingState,
  ReducingStateDescriptor,
  ValueState,
  ValueStateDescriptor,
} from '../state/keyed-state-backend.ts'
import type { OperatorStateStore } from '../state/operator-state.ts'
import type { Accumulators, CheckpointHooks, OperatorContext, TaskInfo } from './operator.ts'
import { releaseFunction } from './own-function.ts'
import { userFunctionError } from './user-function-error.ts'

/** Keyed state by descriptor. Outside a keyed operator: MR_STATE_NO_KEY. */
export interface KeyedStateStore {
  getState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T>
  getListState<T>(descriptor: ListStateDescriptor<T>): ListState<T>
  getMapState<UK, UV>(descriptor: MapStateDescriptor<UK, UV>): MapState<UK, UV>
  getReducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T>
  getAggregatingState<In, Acc, Out>(descriptor: AggregatingStateDescriptor<In, Acc, Out>): AggregatingState<In, Out>
}

/** What a function with a life cycle knows of the subtask it runs in, and its state. */
export interface RuntimeContext extends KeyedStateStore {
  readonly task: TaskInfo
  readonly metrics: MetricGroup
  readonly accumulators: Accumulators
  readonly clock: Clock
  readonly prng: Prng
  readonly operatorState: OperatorStateStore
  /** True where state was restored from a checkpoint or savepoint. */
  readonly isRestored: boolean
  /** A configuration value of the job by its key. */
  configuration(key: string): string | undefined
}

/** The life cycle of user functions: open before the first record, close at the end. */
export interface RichFunction {
  open?(context: RuntimeContext): void | Promise<void>
  /**
   * A checkpoint is being taken: put into operator state (`context.operatorState` of `open`) what belongs into it. What
   * was restored is there when `open` is called.
   */
  snapshotState?(checkpointId: number): void
  /** The checkpoint is complete: what depended on it may be published. Comes late or not at all after a failure. */
  notifyCheckpointComplete?(checkpointId: number): void | Promise<void>
  notifyCheckpointAborted?(checkpointId: number): void
  /** Called once, also after a failure. */
  close?(): void | Promise<void>
}

export function runtimeContext(context: OperatorContext): RuntimeContext {
  const { task, metrics, accumulators, clock, prng, operatorState, isRestored } = context
  return {
    task,
    metrics,
    accumulators,
    clock,
    prng,
    operatorState,
    isRestored,
    configuration: (key) => context.configuration.get(key),
    ...keyedStateStore(() => requireKeyedState(context)),
  }
}

export function keyedStateStore(backend: () => KeyedStateBackend): KeyedStateStore {
  return {
    getState: (descriptor) => backend().value(descriptor),
    getListState: (descriptor) => backend().list(descriptor),
    getMapState: (descriptor) => backend().map(descriptor),
    getReducingState: (descriptor) => backend().reducing(descriptor),
    getAggregatingState: (descriptor) => backend().aggregating(descriptor),
  }
}

/** The operator's keyed state; MR_STATE_NO_KEY where its input is not keyed. */
export function requireKeyedState(context: OperatorContext): KeyedStateBackend {
  if (context.keyedState !== undefined) return context.keyedState
  const { operatorName } = context.task
  throw new MillraceError('MR_STATE_NO_KEY', `${operatorName} uses keyed state or timers, but its input is not keyed`, {
    context: { operator: operatorName },
  })
}

/** Opens a user function that has a life cycle; answers nothing where it has none. */
export function openFunction(userFunction: unknown, context: OperatorContext): void | Promise<void> {
  if (hasHooks(userFunction)) context.onCheckpoint?.(hooksOf(userFunction, context))
  const { open } = userFunction as RichFunction
  if (typeof open !== 'function') return
  claim(userFunction as object, context)
  const failed = (error: unknown): never => {
    throw userFunctionError(error, context, { what: 'open' })
  }
  try {
    const opening = open.call(userFunction, runtimeContext(context))
    return opening instanceof Promise ? opening.catch(failed) : opening
  } catch (error) {
    return failed(error)
  }
}

/** True where a function is told when it begins, ends or takes part in a checkpoint. */
export function hasLifeCycle(userFunction: unknown): userFunction is RichFunction {
  if (typeof userFunction !== 'object' || userFunction === null) return false
  const { open, close } = userFunction as RichFunction
  return (open ?? close) !== undefined || hasHooks(userFunction)
}

function hasHooks(userFunction: unknown): userFunction is RichFunction {
  const { snapshotState, notifyCheckpointComplete, notifyCheckpointAborted } = userFunction as RichFunction
  return (snapshotState ?? notifyCheckpointComplete ?? notifyCheckpointAborted) !== undefined
}

/** What the function throws there names operator and call. */
function hooksOf(userFunction: RichFunction, context: OperatorContext): CheckpointHooks {
  const guarded = <R>(what: string, call: () => R): R => {
    try {
      return call()
    } catch (error) {
      throw userFunctionError(error, context, { what })
    }
  }
  return {
    snapshotState: (id) => guarded('snapshotState', () => userFunction.snapshotState?.(id)),
    notifyCheckpointComplete: (id) =>
      guarded('notifyCheckpointComplete', () => userFunction.notifyCheckpointComplete?.(id)),
    notifyCheckpointAborted: (id) =>
      guarded('notifyCheckpointAborted', () => userFunction.notifyCheckpointAborted?.(id)),
  }
}

/** Which subtask has opened a function object of this thread, until it is closed. */
const owners = new WeakMap<object, TaskInfo>()

/** What `open` puts into the object would be the last subtask's: two subtasks must not share one. */
function claim(userFunction: object, { task }: Pick<OperatorContext, 'task'>): void {
  const owner = owners.get(userFunction)
  if (owner !== undefined && (owner.operatorId !== task.operatorId || owner.subtaskIndex !== task.subtaskIndex)) {
    const names = [owner, task].map((one) => `${one.operatorName}[${one.subtaskIndex}]`)
    throw new MillraceError(
      'MR_PLAN_INVALID',
      `${names.join(' and ')} run in one thread with the same function object, which has an open() and cannot be copied: make it ` +
        'an instance of a class whose constructor takes nothing or keeps plain data in fields that are not private, or one ' +
        'object for each operator, and in local mode give the operator parallelism 1',
      { context: { operator: task.operatorName, subtask: task.subtaskIndex } },
    )
  }
  owners.set(userFunction, task)
}

/** The life cycle of a user function, for the function that an operator makes around it. */
export function lifeCycleOf(userFunction: RichFunction): RichFunction {
  return {
    open: (context) => {
      if (userFunction.open === undefined) return
      claim(userFunction, context)
      return userFunction.open(context)
    },
    close: () => closeFunction(userFunction),
    ...(hasHooks(userFunction) && {
      snapshotState: (id: number) => userFunction.snapshotState?.(id),
      notifyCheckpointComplete: (id: number) => userFunction.notifyCheckpointComplete?.(id),
      notifyCheckpointAborted: (id: number) => userFunction.notifyCheckpointAborted?.(id),
    }),
  }
}

export function closeFunction(userFunction: unknown): void | Promise<void> {
  owners.delete(userFunction as object)
  releaseFunction(userFunction)
  const { close } = userFunction as RichFunction
  if (typeof close === 'function') return close.call(userFunction)
}
