/**
 * fullWindowPartition() on a stream without keys: all records of one subtask form one window that ends with the input.
 * Keyed partitions are windows too: `endOfInputWindows` in src/windows.
 */
import { noTimestamp } from '../common/limits.ts'
import { Progress } from '../common/progress.ts'
import type { TypeInformation } from '../data/types.ts'
import type { AggregateFunction, ListState } from '../state/keyed-state-backend.ts'
import { BaseOperator } from './base-operator.ts'
import type { Collector } from './process-context.ts'
import type { Combination } from './reduce-function.ts'
import { closeFunction, openFunction } from './runtime-context.ts'
import { userFunctionError } from './user-function-error.ts'

/** aggregate over a partition. Snapshots keep the accumulator; rescaling merges or deals out accumulators. */
export class PartitionAggregateOperator<In, Acc, Out> extends BaseOperator<In, Out> {
  readonly #aggregate: AggregateFunction<In, Acc, Out>
  readonly #source: unknown
  readonly #type: TypeInformation<Acc> | undefined
  #accumulators!: ListState<Acc>
  #accumulator: Acc | undefined
  #hasRecords = false
  #waiting: Acc[] = []

  constructor(aggregate: AggregateFunction<In, Acc, Out>, source: unknown = aggregate) {
    super()
    this.#aggregate = aggregate
    this.#source = source
    this.#type = aggregate.accumulatorType
  }

  async open(): Promise<void> {
    await openFunction(this.#source, this.context)
    this.#accumulators = this.context.operatorState.listState('partition', this.#type)
    for (const restored of this.#accumulators.get()) this.#restore(restored)
  }

  processElement(value: In): void {
    try {
      const accumulator = this.#hasRecords ? this.#accumulator! : this.#aggregate.createAccumulator()
      this.#accumulator = this.#aggregate.add(value, accumulator)
      this.#hasRecords = true
    } catch (error) {
      throw userFunctionError(error, this.context, { record: value })
    }
  }

  finish(): Progress {
    if (this.#hasRecords) this.#waiting.push(this.#accumulator!)
    this.#hasRecords = false
    while (this.#waiting.length > 0) {
      if (this.output.isFull()) return Progress.Blocked
      this.output.collectAt(this.#aggregate.getResult(this.#waiting.shift()!), noTimestamp)
    }
    return Progress.Done
  }

  snapshotState(): void {
    this.#accumulators.update([...this.#waiting, ...(this.#hasRecords ? [this.#accumulator!] : [])])
  }

  close(): void | Promise<void> {
    return closeFunction(this.#source)
  }

  #restore(accumulator: Acc): void {
    if (!this.#hasRecords) this.#accumulator = accumulator
    else if (this.#aggregate.merge !== undefined) {
      this.#accumulator = this.#aggregate.merge(this.#accumulator!, accumulator)
    } else this.#waiting.push(accumulator)
    this.#hasRecords = true
  }
}

/**
 * reduce over a partition. Numbers are kept in a typed array while they are numbers: a field would box every new one.
 * Snapshots keep the value; rescaling reduces or deals out values.
 */
export class PartitionReduceOperator<T> extends BaseOperator<T, T> {
  readonly #combination: Combination<T>
  readonly #combine: (left: T, right: T) => T
  readonly #type: TypeInformation<T> | undefined
  readonly #number = new Float64Array(1)
  #held: 'nothing' | 'number' | 'other' = 'nothing'
  #other: T | undefined
  #values!: ListState<T>

  constructor(combination: Combination<T>, type: TypeInformation<T> | undefined) {
    super()
    this.#combination = combination
    this.#combine = (left, right) => combination.combine(left, right)
    this.#type = type
  }

  async open(): Promise<void> {
    await openFunction(this.#combination.source, this.context)
    this.#values = this.context.operatorState.listState('partition', this.#type)
    for (const restored of this.#values.get()) this.#take(restored)
  }

  processElement(value: T): void {
    try {
      this.#take(value)
    } catch (error) {
      throw userFunctionError(error, this.context, { record: value })
    }
  }

  finish(): Progress {
    if (this.#held === 'nothing') return Progress.Done
    if (this.output.isFull()) return Progress.Blocked
    const value = this.#value()
    this.#held = 'nothing'
    this.output.collectAt(value, noTimestamp)
    return Progress.Done
  }

  snapshotState(): void {
    this.#values.update(this.#held === 'nothing' ? [] : [this.#value()])
  }

  close(): void | Promise<void> {
    return closeFunction(this.#combination.source)
  }

  #take(value: T): void {
    if (this.#held === 'number') this.#hold(this.#combine(this.#number[0] as T, value))
    else if (this.#held === 'other') this.#hold(this.#combine(this.#other as T, value))
    else this.#hold(value)
  }

  #hold(value: T): void {
    if (typeof value === 'number') {
      this.#number[0] = value
      this.#held = 'number'
    } else {
      this.#other = value
      this.#held = 'other'
    }
  }

  #value(): T {
    return this.#held === 'number' ? (this.#number[0] as T) : (this.#other as T)
  }
}

export type MapPartition<In, Out> = (values: Iterable<In>, out: Collector<Out>) => void

/** mapPartition and sortPartition: the records of the subtask are kept until the input ends. */
export class MapPartitionOperator<In, Out> extends BaseOperator<In, Out> {
  readonly finishesAsOne = true
  readonly #map: MapPartition<In, Out>
  readonly #type: TypeInformation<In> | undefined
  #values: In[] = []
  #kept!: ListState<In>
  #results: Out[] | undefined
  #emitted = 0

  constructor(map: MapPartition<In, Out>, type?: TypeInformation<In>) {
    super()
    this.#map = map
    this.#type = type
  }

  open(): void {
    this.#kept = this.context.operatorState.listState('partition', this.#type)
    this.#values = [...this.#kept.get()]
  }

  processElement(value: In): void {
    this.#values.push(value)
  }

  finish(): Progress {
    const results = (this.#results ??= this.#run())
    while (this.#emitted < results.length) {
      if (this.output.isFull()) return Progress.Blocked
      this.output.collectAt(results[this.#emitted++]!, noTimestamp)
    }
    return Progress.Done
  }

  snapshotState(): void {
    this.#kept.update(this.#values)
  }

  #run(): Out[] {
    const results: Out[] = []
    try {
      this.#map(this.#values, { collect: (value) => void results.push(value) })
    } catch (error) {
      throw userFunctionError(error, this.context, { what: 'mapPartition' })
    }
    this.#values = []
    return results
  }
}

/** Emits the records of a partition ordered by a field or key selector; equal keys keep their order. */
export function sortPartition<T>(key: (value: T) => unknown, order: 'ascending' | 'descending'): MapPartition<T, T> {
  const sign = order === 'ascending' ? 1 : -1
  return (values, out) => {
    const keyed = Array.from(values, (value) => ({ value, key: key(value) as number }))
    keyed.sort((left, right) => sign * (left.key < right.key ? -1 : left.key > right.key ? 1 : 0))
    for (const { value } of keyed) out.collect(value)
  }
}
