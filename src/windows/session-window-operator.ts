/**
 * Session windows with the default trigger and incremental contents. A key has one open session nearly always, so a
 * record costs one look-up, and timers follow lazily: a session that grows keeps its timer, which finds it not over yet
 * and registers anew. Answers exactly as `WindowOperator` does.
 *
 * Invariants
 * 1. State `sessions`: the session of a key that ends last. State `more-sessions`: its other open ones, ascending; they
 *    neither overlap nor touch. `#moreKeys`: keys that have such.
 * 2. An open session has a timer at or before its next due time: its last instant until it has fired, then its clean-up
 *    time (last instant + lateness). A timer that finds nothing due registers the next due time.
 * 3. Timers and sessions are under namespace 0.
 */
import { generate } from '../common/generated-code.ts'
import { maxWatermark, minWatermark, noTimestamp } from '../common/limits.ts'
import type { Progress } from '../common/progress.ts'
import { types } from '../data/types.ts'
import type { TypeInformation } from '../data/types.ts'
import type { Counter } from '../metrics/metric-group.ts'
import { BaseOperator } from '../operators/base-operator.ts'
import type { OperatorContext, Output } from '../operators/operator.ts'
import { closeFunction, openFunction, requireKeyedState } from '../operators/runtime-context.ts'
import { createTimers } from '../operators/timers.ts'
import { invalidTimestamp } from '../operators/timestamps-and-watermarks-operator.ts'
import { userFunctionError } from '../operators/user-function-error.ts'
import type { AccumulatorState, KeyedStateBackend, RowColumns } from '../state/keyed-state-backend.ts'
import type { TimerService } from '../time/timer-service.ts'
import { ProcessEmitter } from './emit-window.ts'
import { detachedResult, type Incremental } from './incremental.ts'
import type { WindowShape } from './window-assigner.ts'
import { checkedWindowSpec, type WindowSpec } from './window-spec.ts'
import { TimeWindow } from './window.ts'

interface Session<Acc> {
  startMs: number
  /** Exclusive: the last record's time and its gap. */
  endMs: number
  accumulator: Acc
}

/** A session in columns; here its end is read. */
interface SessionColumns extends RowColumns {
  field1(): number
}

export class SessionWindowOperator<In, Acc, Mid, Out, Key> extends BaseOperator<In, Out> {
  readonly #spec: WindowSpec<In, Acc, Mid, Out, Key, TimeWindow>
  readonly #incremental: Incremental<In, Acc, Mid>
  readonly #isEventTime: boolean
  readonly #latenessMs: number
  readonly #gapMs: number | ((value: In) => number)
  #backend!: KeyedStateBackend
  #timers!: TimerService
  #sessions!: AccumulatorState<Session<Acc>>
  /** `#sessions`, where the backend has columns. */
  #columns: SessionColumns | undefined
  #moreSessions!: AccumulatorState<Session<Acc>[]>
  /** Int32Array[1], read by generated code. */
  readonly #moreKeys = new Int32Array(1)
  #emitter: ProcessEmitter<Mid, Out, Key, TimeWindow> | undefined
  #lateDropped!: Counter
  #watermarkMs = minWatermark

  constructor(spec: WindowSpec<In, Acc, Mid, Out, Key, TimeWindow>) {
    super()
    this.#spec = checkedWindowSpec(spec)
    this.#incremental = spec.incremental!
    this.#isEventTime = spec.assigner.isEventTime
    this.#latenessMs = this.#isEventTime ? (spec.allowedLatenessMs ?? 0) : 0
    this.#gapMs = (spec.assigner.shape as WindowShape<In> & { kind: 'sessions' }).gapMs
  }

  override setup(context: OperatorContext, output: Output<Out>): void {
    super.setup(context, output)
    const { process, assigner } = this.#spec
    const backend = requireKeyedState(context)
    this.#backend = backend
    this.#timers = createTimers(context, output, 'sessions', this)
    this.#sessions = backend.accumulators('sessions', sessionType(this.#incremental.type))
    this.#columns = this.#sessions.columns?.() as SessionColumns | undefined
    this.#moreSessions = backend.accumulators('more-sessions')
    this.#lateDropped = context.metrics.counter('numLateRecordsDropped')
    this.processElement = this.#generateProcess()
    if (process === undefined) return
    const currentWatermarkMs = (): number => this.#watermarkMs
    const parts = { context, backend, codec: assigner.codec, isMerging: true, currentWatermarkMs }
    this.#emitter = new ProcessEmitter(process, output, parts)
  }

  processElement: (value: In) => void = () => {}

  async open(): Promise<void> {
    this.#moreSessions.forEachKey(0, () => void this.#moreKeys[0]!++)
    await openFunction(this.#incremental.source, this.context)
    if (this.#spec.process !== undefined) await openFunction(this.#spec.process, this.context)
  }

  advanceWatermark(timestampMs: number): Progress {
    if (timestampMs > this.#watermarkMs) this.#watermarkMs = timestampMs
    return this.#timers.advanceWatermark(timestampMs)
  }

  nextProcessingTimeMs(): number {
    return this.#timers.nextProcessingTimeMs()
  }

  advanceProcessingTime(nowMs: number): Progress {
    return this.#timers.advanceProcessingTime(nowMs)
  }

  onEventTime(_: number | string, timeMs: number): void {
    this.#onTimer(timeMs)
  }

  onProcessingTime(_: number | string, timeMs: number): void {
    this.#onTimer(timeMs)
  }

  async close(): Promise<void> {
    await closeFunction(this.#incremental.source)
    if (this.#spec.process !== undefined) await closeFunction(this.#spec.process)
  }

  /** A record of its key's only session, in this operator's own code; where state has columns, without an object. */
  #generateProcess(): (value: In) => void {
    const { inline } = this.#incremental
    const { record, clock } = this.context
    const columns = this.#columns
    const bindings = {
      ...inline.bindings,
      record,
      clock,
      sessions: columns ?? this.#sessions,
      moreKeys: this.#moreKeys,
      gapOf: (value: In) => this.#gapOf(value),
      extend: (session: Session<Acc>, value: In, startMs: number, endMs: number) =>
        this.#extend(session, value, startMs, endMs),
      afterGrowth: (endedBeforeMs: number) => this.#afterGrowth(this.#sessions.get()!, endedBeforeMs),
      other: (value: In, timeMs: number, endMs: number) => this.#addToOther(value, timeMs, endMs),
      failAdd: (error: unknown, value: In, startMs: number, endMs: number) =>
        this.#failure(error, undefined, startMs, endMs, value),
    }
    const extend =
      columns === undefined
        ? `
    const session = sessions.get()
    if (session !== undefined && timeMs <= session.endMs && endMs >= session.startMs) {
      extend(session, value, timeMs, endMs)
      return
    }`
        : `
    if (sessions.hasRow()) {
      const startMs = sessions.field0(), endedBeforeMs = sessions.field1()
      if (timeMs <= endedBeforeMs && endMs >= startMs) {
        const accumulator = sessions.field2()
        let next
        try { next = ${inline.add} } catch (error) { throw failAdd(error, value, startMs, endedBeforeMs) }
        sessions.changeRow()
        sessions.setField2(next)
        if (timeMs < startMs) sessions.setField0(timeMs)
        if (endMs > endedBeforeMs) sessions.setField1(endMs)
        ${this.#latenessMs === 0 ? '' : 'afterGrowth(endedBeforeMs)'}
        return
      }
    }`
    return generate(
      bindings,
      `function (value) {
  const timeMs = ${this.#isEventTime ? 'record.timestampMs' : 'clock.nowMs()'}
  const endMs = timeMs + ${typeof this.#gapMs === 'number' ? this.#gapMs : 'gapOf(value)'}
  if (timeMs > -Infinity && moreKeys[0] === 0) {${extend}
  }
  other(value, timeMs, endMs)
}`,
    )
  }

  /** The first record of its key, one that begins another session or has none in columns, or one of a key with several. */
  #addToOther(value: In, timeMs: number, endMs: number): void {
    if (timeMs === noTimestamp || timeMs !== timeMs) throw invalidTimestamp(this.context, value, timeMs)
    if (this.#moreKeys[0]! > 0) return this.#addAmongMany(value, timeMs, endMs)
    const session = this.#sessions.get()
    if (session === undefined) this.#begin(value, timeMs, endMs)
    else if (timeMs <= session.endMs && endMs >= session.startMs) this.#extend(session, value, timeMs, endMs)
    else this.#addAmongMany(value, timeMs, endMs)
  }

  #gapOf(value: In): number {
    const gapMs = this.#gapMs
    if (typeof gapMs === 'number') return gapMs
    try {
      return gapMs(value)
    } catch (error) {
      const key = this.#backend.currentKey()
      throw userFunctionError(error, this.context, { what: 'session gap', record: value, key })
    }
  }

  /** The first session of a key. */
  #begin(value: In, startMs: number, endMs: number): void {
    if (this.#isExpired(endMs)) return this.#late(value, startMs)
    const session = { startMs, endMs, accumulator: this.#fold(undefined, value, startMs, endMs) }
    this.#sessions.set(session)
    if (this.#hasPassed(endMs)) this.#fire(session, true)
    this.#register(this.#dueMs(endMs))
  }

  /** The record belongs to the only session of its key. */
  #extend(session: Session<Acc>, value: In, startMs: number, endMs: number): void {
    session.accumulator = this.#fold(session, value, session.startMs, session.endMs)
    const endedBeforeMs = session.endMs
    if (startMs < session.startMs) session.startMs = startMs
    if (endMs > endedBeforeMs) session.endMs = endMs
    this.#sessions.set(session)
    this.#afterGrowth(session, endedBeforeMs)
  }

  /** One that has fired may fire again: at once where it is still over, by a timer where it has become longer. */
  #afterGrowth(session: Session<Acc>, endedBeforeMs: number): void {
    if (this.#latenessMs === 0) return
    if (this.#hasPassed(session.endMs)) this.#fire(session, true)
    if (session.endMs !== endedBeforeMs || this.#watermarkMs === minWatermark)
      this.#register(this.#dueMs(session.endMs))
  }

  /** The general case: the key has several sessions, or is about to. */
  #addAmongMany(value: In, startMs: number, endMs: number): void {
    const open = this.#openSessions()
    const touched = open.filter((session) => startMs <= session.endMs && endMs >= session.startMs)
    if (touched.length === 0) {
      if (this.#isExpired(endMs)) return this.#late(value, startMs)
      const session = { startMs, endMs, accumulator: this.#fold(undefined, value, startMs, endMs) }
      this.#keepOpen([...open, session])
      if (this.#hasPassed(endMs)) this.#fire(session, true)
      return this.#register(this.#dueMs(endMs))
    }
    const [merged, ...others] = touched as [Session<Acc>, ...Session<Acc>[]]
    const endedBeforeMs = merged.endMs
    for (const other of others) this.#absorb(merged, other)
    merged.accumulator = this.#fold(merged, value, merged.startMs, merged.endMs)
    merged.startMs = Math.min(merged.startMs, startMs)
    merged.endMs = Math.max(merged.endMs, endMs)
    this.#keepOpen(open.filter((session) => !others.includes(session)))
    this.#afterGrowth(merged, endedBeforeMs)
    if (others.length > 0) this.#register(this.#dueMs(merged.endMs))
  }

  #absorb(session: Session<Acc>, other: Session<Acc>): void {
    try {
      session.accumulator = this.#incremental.merge!(session.accumulator, other.accumulator)
    } catch (error) {
      throw this.#failure(error, 'merge', session.startMs, other.endMs)
    }
    session.startMs = Math.min(session.startMs, other.startMs)
    session.endMs = Math.max(session.endMs, other.endMs)
  }

  #onTimer(timeMs: number): void {
    if (this.#moreKeys[0]! > 0) return this.#onTimerAmongMany(timeMs)
    this.#backend.setCurrentNamespace(0)
    // Nearly every session has grown when its first timer comes: that costs no object.
    const columns = this.#columns
    if (columns?.hasRow() === true && columns.field1() - 1 > timeMs) return this.#register(columns.field1() - 1)
    const session = this.#sessions.get()
    if (session === undefined) return
    const lastMs = session.endMs - 1
    const cleanUpMs = lastMs + this.#latenessMs
    if (lastMs === timeMs) this.#fire(session, this.#latenessMs > 0)
    if (cleanUpMs <= timeMs) this.#sessions.clear()
    else this.#register(lastMs > timeMs ? lastMs : cleanUpMs)
  }

  #onTimerAmongMany(timeMs: number): void {
    let nextDueMs = maxWatermark
    const open = this.#openSessions()
    const kept = open.filter((session) => {
      const lastMs = session.endMs - 1
      if (lastMs === timeMs) this.#fire(session, this.#latenessMs > 0)
      if (lastMs + this.#latenessMs <= timeMs) return false
      nextDueMs = Math.min(nextDueMs, lastMs > timeMs ? lastMs : lastMs + this.#latenessMs)
      return true
    })
    if (kept.length < open.length) this.#keepOpen(kept)
    this.#register(nextDueMs)
  }

  /** All open sessions of the key, ascending. */
  #openSessions(): Session<Acc>[] {
    this.#backend.setCurrentNamespace(0)
    const last = this.#sessions.get()
    if (last === undefined) return []
    if (this.#moreKeys[0] === 0) return [last]
    return [...(this.#moreSessions.get() ?? []), last]
  }

  #keepOpen(sessions: Session<Acc>[]): void {
    this.#backend.setCurrentNamespace(0)
    sessions.sort((left, right) => left.startMs - right.startMs)
    const last = sessions.pop()
    if (last === undefined) this.#sessions.clear()
    else this.#sessions.set(last)
    if (this.#moreKeys[0]! > 0 && this.#moreSessions.get() !== undefined) {
      if (sessions.length > 0) return this.#moreSessions.set(sessions)
      this.#moreSessions.clear()
      this.#moreKeys[0]!--
    } else if (sessions.length > 0) {
      this.#moreSessions.set(sessions)
      this.#moreKeys[0]!++
    }
  }

  #fold(session: Session<Acc> | undefined, value: In, startMs: number, endMs: number): Acc {
    try {
      return session === undefined ? this.#incremental.first(value) : this.#incremental.add(value, session.accumulator)
    } catch (error) {
      throw this.#failure(error, undefined, startMs, endMs, value)
    }
  }

  #fire({ startMs, endMs, accumulator }: Session<Acc>, keepsState: boolean): void {
    let result: Mid
    try {
      result = keepsState ? detachedResult(this.#incremental, accumulator) : this.#incremental.result(accumulator)
    } catch (error) {
      throw this.#failure(error, 'getResult', startMs, endMs)
    }
    if (this.#emitter === undefined) this.output.collectAt(result as unknown as Out, endMs - 1)
    else this.#emitter.emit(new TimeWindow(startMs, endMs), [result])
    this.#backend.setCurrentNamespace(0)
  }

  #late(value: In, timeMs: number): void {
    const { lateTag } = this.#spec
    if (timeMs + this.#latenessMs > this.#watermarkMs) return
    if (lateTag === undefined) this.#lateDropped.inc()
    else this.output.collectSide(lateTag, value, timeMs)
  }

  #isExpired(endMs: number): boolean {
    return this.#isEventTime && endMs - 1 + this.#latenessMs <= this.#watermarkMs
  }

  #hasPassed(endMs: number): boolean {
    return this.#isEventTime && endMs - 1 <= this.#watermarkMs
  }

  #dueMs(endMs: number): number {
    return this.#hasPassed(endMs) ? endMs - 1 + this.#latenessMs : endMs - 1
  }

  #register(timeMs: number): void {
    if (timeMs === maxWatermark) return
    if (this.#isEventTime) this.#timers.registerEventTimeTimer(0, timeMs)
    else this.#timers.registerProcessingTimeTimer(0, timeMs)
  }

  #failure(error: unknown, what: string | undefined, startMs: number, endMs: number, record?: unknown): unknown {
    return userFunctionError(error, this.context, {
      ...(what === undefined ? { record } : { what }),
      key: this.#backend.currentKey(),
      window: String(new TimeWindow(startMs, endMs)),
    })
  }
}

function sessionType<Acc>(type: TypeInformation<Acc> | undefined): TypeInformation<Session<Acc>> | undefined {
  if (type === undefined) return undefined
  return types.row({ startMs: types.float64(), endMs: types.float64(), accumulator: type }) as never
}
