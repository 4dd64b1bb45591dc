/**
 * Window join and coGroup: the records of two keyed streams that share key and window. Both inputs go into one window
 * operator, marked with their side.
 */
import type { Progress } from '../common/progress.ts'
import { BaseTwoInputOperator } from '../operators/base-operator.ts'
import { bindFunction } from '../operators/bind-function.ts'
import type { Operator, OperatorContext, Output } from '../operators/operator.ts'
import type { Collector } from '../operators/process-context.ts'
import type { RichFunction } from '../operators/runtime-context.ts'
import { createWindowOperator } from './create-window-operator.ts'
import type { WindowProcessor } from './emit-window.ts'
import type { WindowSpec } from './window-spec.ts'
import type { Window } from './window.ts'

/** A record of one of two inputs: what assigners, triggers and evictors of a join see. */
export type Sided<L, R> = { readonly side: 'left'; readonly value: L } | { readonly side: 'right'; readonly value: R }

/** Gets all records of both sides of a key and window. */
export type CoGroup<L, R, Out> = (left: readonly L[], right: readonly R[], out: Collector<Out>) => void

/** Gets all records of both sides of a key and window, with open and close. */
export interface CoGroupFunction<L, R, Out> extends RichFunction {
  /** Called once per key and window; one of the sides may be empty. */
  coGroup(left: readonly L[], right: readonly R[], out: Collector<Out>): void
}

/** Makes one result of a pair. */
export type Join<L, R, Out> = (left: L, right: R) => Out

/** Makes one result of a pair, with open and close. */
export interface JoinFunction<L, R, Out> extends RichFunction {
  join(left: L, right: R): Out
}

/** Any number of results per pair. */
export interface FlatJoinFunction<L, R, Out> extends RichFunction {
  flatJoin(left: L, right: R, out: Collector<Out>): void
}

export type JoinSpec<L, R, W extends Window> = Pick<
  WindowSpec<Sided<L, R>, never, never, never, unknown, W>,
  'assigner' | 'trigger' | 'evictor' | 'allowedLatenessMs' | 'lateTag'
>

export function coGroupOperator<L, R, Out, W extends Window>(
  spec: JoinSpec<L, R, W>,
  coGroup: CoGroup<L, R, Out> | CoGroupFunction<L, R, Out>,
): Operator<L, Out> {
  const call = bindFunction<CoGroup<L, R, Out>>(coGroup, 'coGroup')
  return new CoGroupOperator<L, R, Out, W>(spec, call, coGroup)
}

/** Inner join: every pair of one key and window. */
export function windowJoinOperator<L, R, Out, W extends Window>(
  spec: JoinSpec<L, R, W>,
  join: Join<L, R, Out> | JoinFunction<L, R, Out> | FlatJoinFunction<L, R, Out>,
): Operator<L, Out> {
  const each = pairwise(join)
  const call: CoGroup<L, R, Out> = (left, right, out) => {
    for (const one of left) for (const other of right) each(one, other, out)
  }
  return new CoGroupOperator<L, R, Out, W>(spec, call, join)
}

function pairwise<L, R, Out>(
  join: Join<L, R, Out> | JoinFunction<L, R, Out> | FlatJoinFunction<L, R, Out>,
): (left: L, right: R, out: Collector<Out>) => void {
  if (typeof join !== 'function' && 'flatJoin' in join) return (left, right, out) => join.flatJoin(left, right, out)
  const call = bindFunction<Join<L, R, Out>>(join, 'join')
  return (left, right, out) => out.collect(call(left, right))
}

class CoGroupOperator<L, R, Out, W extends Window> extends BaseTwoInputOperator<L, R, Out> {
  readonly #windows: Operator<Sided<L, R>, Out>

  constructor(
    spec: JoinSpec<L, R, W>,
    coGroup: CoGroup<L, R, Out>,
    source: RichFunction | CoGroup<L, R, Out> | Function,
  ) {
    super()
    const { open, close } = source as RichFunction
    const process: WindowProcessor<Sided<L, R>, Out, unknown, W> = {
      ...(open === undefined ? {} : { open: (context) => open.call(source, context) }),
      ...(close === undefined ? {} : { close: () => close.call(source) }),
      process: (_, _context, elements, out) => {
        const left: L[] = []
        const right: R[] = []
        for (const element of elements) {
          if (element.side === 'left') left.push(element.value)
          else right.push(element.value)
        }
        coGroup(left, right, out)
      },
    }
    this.#windows = createWindowOperator<Sided<L, R>, never, Sided<L, R>, Out, unknown, W>({ ...spec, process })
  }

  override setup(context: OperatorContext, output: Output<Out>): void {
    super.setup(context, output)
    this.#windows.setup(context, output)
  }

  open(): void | Promise<void> {
    return this.#windows.open?.()
  }

  processElement(value: L): void {
    this.#windows.processElement({ side: 'left', value })
  }

  processElement2(value: R): void {
    this.#windows.processElement({ side: 'right', value })
  }

  advanceWatermark(timestampMs: number): Progress {
    return this.#windows.advanceWatermark!(timestampMs)
  }

  nextProcessingTimeMs(): number {
    return this.#windows.nextProcessingTimeMs!()
  }

  advanceProcessingTime(nowMs: number): Progress {
    return this.#windows.advanceProcessingTime!(nowMs)
  }

  snapshotState(checkpointId: number): void {
    this.#windows.snapshotState?.(checkpointId)
  }

  close(): void | Promise<void> {
    return this.#windows.close?.()
  }
}
