/** An operator's output, recorded. It can be made to have room for one record at a time, to drive resumable calls. */
import type { Output, RecordCell } from '../operators/operator.ts'
import type { OutputTag } from '../operators/output-tag.ts'

/** A record that an operator emitted, with its timestamp. */
export interface OutputRecord<T> {
  readonly value: T
  /** Event time in ms, or `noTimestamp`. */
  readonly timestampMs: number
}

/** Something that an operator emitted: a record, a record of a side output, a watermark or a change of status. */
export type OutputEvent<T> =
  | ({ readonly type: 'record' } & OutputRecord<T>)
  | ({ readonly type: 'side'; readonly tag: string } & OutputRecord<unknown>)
  | { readonly type: 'watermark'; readonly timestampMs: number }
  | { readonly type: 'status'; readonly isIdle: boolean }

export class HarnessOutput<T> implements Output<T> {
  /** Everything emitted, in order. */
  readonly events: OutputEvent<T>[] = []
  /** Records that fit before `isFull` answers true. */
  roomPerStep: number = Number.POSITIVE_INFINITY
  readonly #record: RecordCell
  #room = Number.POSITIVE_INFINITY

  constructor(record: RecordCell) {
    this.#record = record
  }

  collect(value: T): void {
    this.collectAt(value, this.#record.timestampMs)
  }

  collectAt(value: T, timestampMs: number): void {
    this.#room--
    this.events.push({ type: 'record', value, timestampMs })
  }

  collectSide<S>(tag: OutputTag<S>, value: S, timestampMs: number = this.#record.timestampMs): void {
    this.#room--
    this.events.push({ type: 'side', tag: tag.id, value, timestampMs })
  }

  emitWatermark(timestampMs: number): void {
    this.events.push({ type: 'watermark', timestampMs })
  }

  emitStatus(isIdle: boolean): void {
    this.events.push({ type: 'status', isIdle })
  }

  isFull(): boolean {
    return this.#room <= 0
  }

  makeRoom(): void {
    this.#room = this.roomPerStep
  }
}
