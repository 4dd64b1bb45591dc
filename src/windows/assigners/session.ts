/**
 * Session windows: records of a key belong together while no two neighbours are more than the gap apart. A pause of
 * exactly the gap still joins.
 */
import { MillraceError } from '../../common/errors.ts'
import { eventTimeTrigger } from '../triggers/event-time-trigger.ts'
import { processingTimeTrigger } from '../triggers/processing-time-trigger.ts'
import { TimeWindow } from '../window.ts'
import { mergeTimeWindows, type MergingWindowAssigner, timeWindowCodec } from '../window-assigner.ts'

/** Gap after a record, in ms; above 0. */
export type SessionGapExtractor<T> = (value: T) => number

/** @example session.eventTime(minutes(30)), session.dynamicEventTime((ride: Ride) => ride.endMs - ride.startMs) */
export const session = {
  eventTime: <T>(gapMs: number): MergingWindowAssigner<T, TimeWindow> => withGap('EventTimeSessionWindows', gapMs),
  processingTime: <T>(gapMs: number): MergingWindowAssigner<T, TimeWindow> =>
    withGap('ProcessingTimeSessionWindows', gapMs),
  dynamicEventTime: <T>(gap: SessionGapExtractor<T>): MergingWindowAssigner<T, TimeWindow> =>
    withDynamicGap('DynamicEventTimeSessionWindows', gap),
  dynamicProcessingTime: <T>(gap: SessionGapExtractor<T>): MergingWindowAssigner<T, TimeWindow> =>
    withDynamicGap('DynamicProcessingTimeSessionWindows', gap),
}

function withGap<T>(kind: string, gapMs: number): MergingWindowAssigner<T, TimeWindow> {
  requireGap(kind, gapMs)
  return sessionWindows(kind, `${kind}(${gapMs})`, gapMs)
}

function withDynamicGap<T>(kind: string, extract: SessionGapExtractor<T>): MergingWindowAssigner<T, TimeWindow> {
  return sessionWindows(kind, `${kind}()`, (value) => {
    const gapMs = extract(value)
    requireGap(kind, gapMs)
    return gapMs
  })
}

function sessionWindows<T>(
  kind: string,
  name: string,
  gapMs: number | SessionGapExtractor<T>,
): MergingWindowAssigner<T, TimeWindow> {
  const isEventTime = kind.endsWith('EventTimeSessionWindows')
  return {
    name,
    isEventTime,
    codec: timeWindowCodec,
    shape: { kind: 'sessions', gapMs },
    assignWindows: (value, timestampMs, context) => {
      const timeMs = isEventTime ? timestampMs : context.currentProcessingTime()
      return [new TimeWindow(timeMs, timeMs + (typeof gapMs === 'number' ? gapMs : gapMs(value)))]
    },
    mergeWindows: mergeTimeWindows,
    defaultTrigger: () => (isEventTime ? eventTimeTrigger<T>() : processingTimeTrigger<T>()),
  }
}

function requireGap(kind: string, gapMs: number): void {
  if (Number.isInteger(gapMs) && gapMs > 0) return
  throw new MillraceError('MR_TIME_INVALID', `${kind} needs a gap of whole milliseconds > 0, got ${gapMs}`)
}
