/**
 * Windows recomputed from scratch: the oracle of the window operators. It keeps every record that was accepted, and for
 * every question goes through all of them again; nothing is incremental.
 */
import { windowStartMs } from '../../src/windows/window.ts'

export interface Event {
  readonly key: number
  readonly n: number
  readonly gapMs: number
}

export type ModelAssigner =
  | { readonly kind: 'slices'; readonly sizeMs: number; readonly slideMs: number; readonly offsetMs: number }
  | { readonly kind: 'sessions' }

/** Windows fire at their end, or after every `count` records (purging or not), or every `everyMs` of event time too. */
export type ModelTrigger =
  | { readonly kind: 'default' }
  | { readonly kind: 'count'; readonly count: number; readonly purges: boolean }
  | { readonly kind: 'continuous'; readonly everyMs: number }

export interface ModelParameters {
  readonly assigner: ModelAssigner
  readonly trigger: ModelTrigger
  readonly latenessMs: number
  /** Result of a window from the values of its records. */
  readonly fold: (values: readonly number[]) => number
}

interface Accepted {
  readonly event: Event
  readonly timestampMs: number
  /** Windows in which the record was purged, and in which it has been counted for a firing. */
  readonly purgedIn: Set<string>
  readonly countedIn: Set<string>
}

interface OpenWindow {
  readonly startMs: number
  readonly endMs: number
}

/** `key:value@timestamp`, or `late …`. */
export type ModelOutput = string

export class WindowModel {
  readonly #parameters: ModelParameters
  readonly #accepted: Accepted[] = []
  /** By key and window: the next continuous firing. */
  readonly #fires = new Map<string, number>()
  #watermarkMs = Number.NEGATIVE_INFINITY

  constructor(parameters: ModelParameters) {
    this.#parameters = parameters
  }

  element(event: Event, timestampMs: number): ModelOutput[] {
    const { assigner } = this.#parameters
    return assigner.kind === 'sessions'
      ? this.#sessionElement(event, timestampMs)
      : this.#slicedElement(event, timestampMs, assigner)
  }

  watermark(timestampMs: number): ModelOutput[] {
    if (timestampMs <= this.#watermarkMs) return []
    const before = this.#watermarkMs
    this.#watermarkMs = timestampMs
    const outputs: ModelOutput[] = []
    for (const key of new Set(this.#accepted.map(({ event }) => event.key))) {
      for (const window of this.#windowsOf(key)) outputs.push(...this.#timers(key, window, before))
    }
    this.#forgetExpired()
    return outputs
  }

  #slicedElement(event: Event, timestampMs: number, shape: ModelAssigner & { kind: 'slices' }): ModelOutput[] {
    const windows = slidingWindows(timestampMs, shape).filter((window) => !this.#isExpired(window))
    if (windows.length === 0) {
      const isLate = timestampMs + this.#parameters.latenessMs <= this.#watermarkMs
      return isLate ? [`late ${event.key}:${event.n}@${timestampMs}`] : []
    }
    this.#accepted.push(accepted(event, timestampMs))
    return windows.flatMap((window) => this.#onElement(event.key, window, timestampMs))
  }

  #sessionElement(event: Event, timestampMs: number): ModelOutput[] {
    this.#accepted.push(accepted(event, timestampMs))
    const session = this.#windowsOf(event.key).find(
      ({ startMs, endMs }) => startMs <= timestampMs && timestampMs + event.gapMs <= endMs,
    )!
    if (!this.#isExpired(session)) return this.#onElement(event.key, session, timestampMs)
    this.#accepted.pop()
    return timestampMs + this.#parameters.latenessMs <= this.#watermarkMs
      ? [`late ${event.key}:${event.n}@${timestampMs}`]
      : []
  }

  #onElement(key: number, window: OpenWindow, timestampMs: number): ModelOutput[] {
    const { trigger } = this.#parameters
    const isLate = window.endMs - 1 <= this.#watermarkMs
    if (trigger.kind === 'default') return isLate ? this.#fire(key, window) : []
    const id = this.#idOf(key, window)
    if (trigger.kind === 'count') {
      const waiting = this.#recordsIn(key, window).filter(({ countedIn }) => !countedIn.has(id))
      if (waiting.length < trigger.count) return []
      for (const { countedIn } of waiting) countedIn.add(id)
      return this.#fire(key, window, trigger.purges)
    }
    if (isLate) return this.#fire(key, window)
    if (!this.#fires.has(id)) {
      const firstMs = windowStartMs(timestampMs, 0, trigger.everyMs) + trigger.everyMs
      this.#fires.set(id, Math.min(firstMs, window.endMs - 1))
    }
    // A timer for a time that has passed fires with the next watermark.
    return []
  }

  #timers(key: number, window: OpenWindow, before: number): ModelOutput[] {
    const { trigger } = this.#parameters
    const endsNow = window.endMs - 1 > before && window.endMs - 1 <= this.#watermarkMs
    if (trigger.kind === 'count') return []
    const outputs: ModelOutput[] = []
    if (trigger.kind === 'continuous') {
      const id = this.#idOf(key, window)
      for (let atMs = this.#fires.get(id); atMs !== undefined && atMs < window.endMs - 1;) {
        if (atMs > this.#watermarkMs) break
        outputs.push(...this.#fire(key, window))
        atMs = Math.min(atMs + trigger.everyMs, window.endMs - 1)
        this.#fires.set(id, atMs)
      }
    }
    return endsNow ? [...outputs, ...this.#fire(key, window)] : outputs
  }

  #fire(key: number, window: OpenWindow, purges = false): ModelOutput[] {
    const id = this.#idOf(key, window)
    const records = this.#recordsIn(key, window).filter(({ purgedIn }) => !purgedIn.has(id))
    if (purges) for (const { purgedIn } of records) purgedIn.add(id)
    const values = records.map(({ event }) => event.n)
    return values.length === 0 ? [] : [`${key}:${this.#parameters.fold(values)}@${window.endMs - 1}`]
  }

  #recordsIn(key: number, { startMs, endMs }: OpenWindow): Accepted[] {
    return this.#accepted.filter(
      ({ event, timestampMs }) => event.key === key && timestampMs >= startMs && timestampMs < endMs,
    )
  }

  /** The windows of a key that hold records and are not expired. */
  #windowsOf(key: number): OpenWindow[] {
    const { assigner } = this.#parameters
    const records = this.#accepted.filter(({ event }) => event.key === key)
    if (assigner.kind === 'sessions') return sessionsOf(records)
    const windows = records.flatMap(({ timestampMs }) => slidingWindows(timestampMs, assigner))
    return [...new Map(windows.map((window) => [window.startMs, window])).values()]
  }

  /** Sessions grow: what is known of their records holds for whatever they become. */
  #idOf(key: number, window: OpenWindow): string {
    return this.#parameters.assigner.kind === 'sessions' ? 'session' : `${key} ${window.startMs}`
  }

  #isExpired({ endMs }: OpenWindow): boolean {
    return endMs - 1 + this.#parameters.latenessMs <= this.#watermarkMs
  }

  #forgetExpired(): void {
    const keeps = this.#accepted.filter((record) => {
      const windows = this.#windowsOf(record.event.key)
      return windows.some(
        (window) => !this.#isExpired(window) && this.#recordsIn(record.event.key, window).includes(record),
      )
    })
    this.#accepted.splice(0, this.#accepted.length, ...keeps)
  }
}

function slidingWindows(timestampMs: number, shape: ModelAssigner & { kind: 'slices' }): OpenWindow[] {
  const windows: OpenWindow[] = []
  for (let startMs = timestampMs - shape.sizeMs; startMs <= timestampMs; startMs++) {
    const isStart = (((startMs - shape.offsetMs) % shape.slideMs) + shape.slideMs) % shape.slideMs === 0
    if (isStart && startMs + shape.sizeMs > timestampMs) windows.push({ startMs, endMs: startMs + shape.sizeMs })
  }
  return windows.reverse()
}

function sessionsOf(records: readonly Accepted[]): OpenWindow[] {
  const spans = records
    .map(({ timestampMs, event }) => ({ startMs: timestampMs, endMs: timestampMs + event.gapMs }))
    .toSorted((left, right) => left.startMs - right.startMs)
  const sessions: OpenWindow[] = []
  for (const span of spans) {
    const last = sessions.at(-1)
    if (last === undefined || span.startMs > last.endMs) sessions.push(span)
    else sessions[sessions.length - 1] = { startMs: last.startMs, endMs: Math.max(last.endMs, span.endMs) }
  }
  return sessions
}

function accepted(event: Event, timestampMs: number): Accepted {
  return { event, timestampMs, purgedIn: new Set(), countedIn: new Set() }
}
