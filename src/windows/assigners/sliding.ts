/**
 * Sliding windows: of one size, a new one every slide. A slide below the size makes windows overlap; above it, records
 * in the gaps belong to no window and vanish, as in Flink.
 */
import { MillraceError } from '../../common/errors.ts'
import { eventTimeTrigger } from '../triggers/event-time-trigger.ts'
import { processingTimeTrigger } from '../triggers/processing-time-trigger.ts'
import { TimeWindow, windowStartMs } from '../window.ts'
import { startCodec, type WindowAssigner } from '../window-assigner.ts'

/** Where sliding windows begin. */
export interface SlidingOptions {
  /** Shift of the window starts against the epoch; its magnitude is below the slide. */
  readonly offsetMs?: number
}

/** @example sliding.eventTime(seconds(10), seconds(2)) */
export const sliding = {
  eventTime: <T>(sizeMs: number, slideMs: number, options: SlidingOptions = {}): WindowAssigner<T, TimeWindow> =>
    slidingWindows('event', sizeMs, slideMs, options),
  processingTime: <T>(sizeMs: number, slideMs: number, options: SlidingOptions = {}): WindowAssigner<T, TimeWindow> =>
    slidingWindows('processing', sizeMs, slideMs, options),
}

function slidingWindows<T>(
  domain: 'event' | 'processing',
  sizeMs: number,
  slideMs: number,
  { offsetMs = 0 }: SlidingOptions,
): WindowAssigner<T, TimeWindow> {
  const isEventTime = domain === 'event'
  const kind = isEventTime ? 'SlidingEventTimeWindows' : 'SlidingProcessingTimeWindows'
  const areWhole = Number.isInteger(sizeMs) && Number.isInteger(slideMs) && Number.isInteger(offsetMs)
  if (!(areWhole && sizeMs > 0 && slideMs > 0 && Math.abs(offsetMs) < slideMs)) {
    throw new MillraceError(
      'MR_TIME_INVALID',
      `${kind} needs a whole size > 0 ms, slide > 0 ms and |offset| < slide, got size ${sizeMs}, slide ${slideMs}, offset ${offsetMs}`,
    )
  }
  return {
    name: `${kind}(${sizeMs}, ${slideMs})`,
    isEventTime,
    codec: startCodec(sizeMs),
    shape: { kind: 'slices', sizeMs, slideMs, offsetMs },
    assignWindows: (_, timestampMs, context) => {
      const timeMs = isEventTime ? timestampMs : context.currentProcessingTime()
      const windows: TimeWindow[] = []
      const lastStartMs = windowStartMs(timeMs, offsetMs, slideMs)
      for (let startMs = lastStartMs; startMs > timeMs - sizeMs; startMs -= slideMs) {
        windows.push(new TimeWindow(startMs, startMs + sizeMs))
      }
      return windows
    },
    defaultTrigger: () => (isEventTime ? eventTimeTrigger<T>() : processingTimeTrigger<T>()),
  }
}
