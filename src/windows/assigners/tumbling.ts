/** Tumbling windows: back to back, of one size. */
import { MillraceError } from '../../common/errors.ts'
import { eventTimeTrigger } from '../triggers/event-time-trigger.ts'
import { processingTimeTrigger } from '../triggers/processing-time-trigger.ts'
import { TimeWindow, windowStartMs } from '../window.ts'
import { startCodec, type WindowAssigner, type WindowAssignerContext } from '../window-assigner.ts'

/** Shifts the windows of the subtasks against each other, so that not all fire at once. */
export type WindowStagger = 'aligned' | 'random' | 'natural'

/** Where tumbling windows begin. */
export interface TumblingOptions {
  /** Shift of the window starts against the epoch; its magnitude is below the size. */
  readonly offsetMs?: number
  readonly stagger?: WindowStagger
}

/** @example tumbling.eventTime(seconds(10)) */
export const tumbling = {
  eventTime: <T>(sizeMs: number, options: TumblingOptions = {}): WindowAssigner<T, TimeWindow> =>
    tumblingWindows('event', sizeMs, options),
  processingTime: <T>(sizeMs: number, options: TumblingOptions = {}): WindowAssigner<T, TimeWindow> =>
    tumblingWindows('processing', sizeMs, options),
}

function tumblingWindows<T>(
  domain: 'event' | 'processing',
  sizeMs: number,
  options: TumblingOptions,
): WindowAssigner<T, TimeWindow> {
  const { offsetMs = 0, stagger = 'aligned' } = options
  const isEventTime = domain === 'event'
  const kind = isEventTime ? 'TumblingEventTimeWindows' : 'TumblingProcessingTimeWindows'
  if (!(Number.isInteger(sizeMs) && sizeMs > 0 && Number.isInteger(offsetMs) && Math.abs(offsetMs) < sizeMs)) {
    throw new MillraceError(
      'MR_TIME_INVALID',
      `${kind} needs a whole size > 0 ms and |offset| < size, got size ${sizeMs}, offset ${offsetMs}`,
    )
  }
  let shiftMs = stagger === 'aligned' ? offsetMs : undefined
  const shift = (context: WindowAssignerContext): number =>
    (shiftMs ??= (offsetMs + staggerOffsetMs(stagger, context, sizeMs)) % sizeMs)
  return {
    name: `${kind}(${sizeMs})`,
    isEventTime,
    codec: startCodec(sizeMs),
    ...(stagger === 'aligned'
      ? { shape: { kind: 'slices', sizeMs, slideMs: sizeMs, offsetMs } }
      : { forSubtask: () => tumblingWindows<T>(domain, sizeMs, options) }),
    assignWindows: (_, timestampMs, context) => {
      const timeMs = isEventTime ? timestampMs : context.currentProcessingTime()
      const startMs = windowStartMs(timeMs, shift(context), sizeMs)
      return [new TimeWindow(startMs, startMs + sizeMs)]
    },
    defaultTrigger: () => (isEventTime ? eventTimeTrigger<T>() : processingTimeTrigger<T>()),
  }
}

/** Natural: the first record begins a window. */
function staggerOffsetMs(stagger: WindowStagger, context: WindowAssignerContext, sizeMs: number): number {
  if (stagger === 'aligned') return 0
  if (stagger === 'random') return Math.floor(context.prng.nextFloat() * sizeMs)
  const nowMs = context.currentProcessingTime()
  return nowMs - windowStartMs(nowMs, 0, sizeMs)
}
