/** Windows: what records are grouped by. Times in ms since the epoch; `endMs` is exclusive. */
import { maxWatermark } from '../common/limits.ts'

/** What records are grouped by. */
export interface Window {
  /** Largest timestamp that still belongs to the window; results carry it. */
  readonly maxTimestampMs: number
}

/** From a start to an end, which is exclusive. */
export class TimeWindow implements Window {
  readonly startMs: number
  readonly endMs: number

  constructor(startMs: number, endMs: number) {
    this.startMs = startMs
    this.endMs = endMs
  }

  get maxTimestampMs(): number {
    return this.endMs - 1
  }

  /** True also where one begins exactly where the other ends. */
  intersects(other: TimeWindow): boolean {
    return this.startMs <= other.endMs && this.endMs >= other.startMs
  }

  cover(other: TimeWindow): TimeWindow {
    return new TimeWindow(Math.min(this.startMs, other.startMs), Math.max(this.endMs, other.endMs))
  }

  equals(other: TimeWindow): boolean {
    return this.startMs === other.startMs && this.endMs === other.endMs
  }

  toString(): string {
    return `TimeWindow{start=${this.startMs}, end=${this.endMs}}`
  }
}

/** The one window of GlobalWindows. */
export class GlobalWindow implements Window {
  readonly maxTimestampMs: number = maxWatermark

  toString(): string {
    return 'GlobalWindow'
  }
}

export const globalWindow: GlobalWindow = new GlobalWindow()

/** Flink's rule: the start, at or before the timestamp, of the window of a size and offset; also below zero. */
export function windowStartMs(timestampMs: number, offsetMs: number, sizeMs: number): number {
  const remainder = (timestampMs - offsetMs) % sizeMs
  return remainder < 0 ? timestampMs - (remainder + sizeMs) : timestampMs - remainder
}
