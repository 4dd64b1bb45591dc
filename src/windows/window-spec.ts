/** What a windowed transformation is, as the API says it: the operators are made from it. */
import { MillraceError } from '../common/errors.ts'
import type { TypeInformation } from '../data/types.ts'
import type { OutputTag } from '../operators/output-tag.ts'
import type { Evictor } from './evictor.ts'
import type { Incremental } from './incremental.ts'
import type { Trigger } from './trigger.ts'
import type { Window } from './window.ts'
import type { WindowAssigner } from './window-assigner.ts'
import type { WindowProcessor } from './emit-window.ts'

/** Without `incremental` the window keeps its elements, and `process` gets them; with both, `process` gets one `Mid`. */
export interface WindowSpec<In, Acc, Mid, Out, Key, W extends Window> {
  readonly assigner: WindowAssigner<In, W>
  /** Default: the assigner's. */
  readonly trigger?: Trigger<In, W>
  readonly evictor?: Evictor<In, W>
  /** How long after its end a window takes late records, and fires again with each. Default 0. */
  readonly allowedLatenessMs?: number
  /** Where records go that are too late for every window. Without it they are counted as `numLateRecordsDropped`. */
  readonly lateTag?: OutputTag<In>
  readonly incremental?: Incremental<In, Acc, Mid>
  readonly process?: WindowProcessor<Mid, Out, Key, W>
  /** Declared type of the elements, for windows that keep them. */
  readonly elementType?: TypeInformation<In>
}

/** Answers the specification, or throws MR_PLAN_INVALID or MR_TIME_INVALID where its parts do not fit. */
export function checkedWindowSpec<In, Acc, Mid, Out, Key, W extends Window>(
  spec: WindowSpec<In, Acc, Mid, Out, Key, W>,
): WindowSpec<In, Acc, Mid, Out, Key, W> {
  const { assigner, trigger, allowedLatenessMs = 0, incremental, process, evictor } = spec
  if (!(allowedLatenessMs >= 0 && !Number.isNaN(allowedLatenessMs))) {
    throw new MillraceError('MR_TIME_INVALID', `allowedLateness must be >= 0 ms, got ${allowedLatenessMs}`)
  }
  if (incremental === undefined && process === undefined) {
    throw new MillraceError('MR_PLAN_INVALID', `${assigner.name}: a window needs reduce, aggregate or process`)
  }
  if (assigner.mergeWindows === undefined) return spec
  if (trigger !== undefined && trigger.onMerge === undefined) {
    throw new MillraceError(
      'MR_PLAN_INVALID',
      `${trigger.name} cannot be used with ${assigner.name}: it has no onMerge`,
    )
  }
  if (incremental !== undefined && incremental.merge === undefined && evictor === undefined) {
    throw new MillraceError('MR_PLAN_INVALID', `${assigner.name} merges windows: the aggregate function needs merge()`)
  }
  return spec
}

/** For plans: `Window(TumblingEventTimeWindows(5000), EventTimeTrigger())`. */
export function windowOperatorName<In, Acc, Mid, Out, Key, W extends Window>(
  spec: WindowSpec<In, Acc, Mid, Out, Key, W>,
): string {
  const trigger = spec.trigger ?? spec.assigner.defaultTrigger()
  const evictor = spec.evictor === undefined ? '' : `, ${spec.evictor.name}`
  return `Window(${spec.assigner.name}, ${trigger.name}${evictor})`
}
