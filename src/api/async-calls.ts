/** Asynchronous calls per record, as the API names them. */
import { perSubtask } from '../operators/own-function.ts'
import { type AsyncFunction, type AsyncInvoke, AsyncOperator } from '../operators/async-operator.ts'
import type { AsyncRetryStrategy } from '../operators/async-retry-strategy.ts'
import type { TypeInformation } from '../data/types.ts'
import type { NodeBody } from '../plan/stream-graph.ts'
import { operatorBody } from './inline-functions.ts'

/** How calls are made. */
export interface AsyncCallOptions<Out> {
  /** From the first attempt, retries included, in ms; 0: none. A time-out fails the job unless the function handles it. */
  readonly timeoutMs: number
  /** Records in flight at most; more hold the input up. Default 100. */
  readonly capacity?: number
  readonly retry?: AsyncRetryStrategy<Out>
}

/** How `mapAsync` makes its calls. */
export interface MapAsyncOptions<Out> extends Partial<AsyncCallOptions<Out>> {
  /** `unordered`: results leave as they come, though never past a watermark. Default `ordered`. */
  readonly order?: 'ordered' | 'unordered'
}

export function asyncBody<In, Out>(
  invoke: AsyncFunction<In, Out> | AsyncInvoke<In, Out>,
  order: 'ordered' | 'unordered',
  options: AsyncCallOptions<Out>,
  type: TypeInformation<In> | undefined,
): NodeBody {
  const settings = { ...options, order, type }
  // Options that do not fit are refused here, not in a slot.
  new AsyncOperator(invoke, settings)
  const own = perSubtask(invoke)
  return operatorBody(() => new AsyncOperator(own(), settings))
}
