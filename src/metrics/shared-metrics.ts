/**
 * Metrics in shared memory: a block of doubles per subtask, written by the slot that runs it and read by anyone while
 * the job runs. One writer per cell and no ordering between cells: readers see each value whole (aligned doubles), and
 * values of one block at slightly different moments.
 *
 * Layout of a block (doubles): the fixed task metrics of `taskMetric`, then named cells in order of registration. Names
 * are told to the coordinator by `onRegister`, since strings do not live here.
 */
import { MillraceError } from '../common/errors.ts'
import type { Counter, Gauge, MetricGroup } from './metric-group.ts'

/** Cells that every subtask has. Names as Flink's, units included. */
export const taskMetric = {
  numRecordsIn: 0,
  numRecordsOut: 1,
  numBytesOut: 2,
  busyTimeMs: 3,
  idleTimeMs: 4,
  backPressuredTimeMs: 5,
  currentInputWatermarkMs: 6,
  inputQueueLength: 7,
  heldBatches: 8,
  doneBytes: 9,
  totalBytes: 10,
  /** 0 created, 1 running, 2 finished, 3 failed. */
  state: 11,
  genericRecords: 12,
  numBytesIn: 13,
} as const
export type TaskMetricName = keyof typeof taskMetric

const taskCells = 16
const namedCells = 112
/** Doubles per subtask: a multiple of a cache line. */
export const metricCellsPerSubtask: number = taskCells + namedCells

/** A named metric, as told to the coordinator. Plain data. */
export interface MetricRegistration {
  readonly cell: number
  readonly operatorId: string
  readonly operatorName: string
  readonly subtask: number
  readonly name: string
  readonly kind: 'counter' | 'gauge'
}

export function allocateMetrics(subtaskCount: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.max(1, subtaskCount) * metricCellsPerSubtask * 8)
}

/** The block of one subtask. Thread: the slot's for writing, any for reading. */
export class SubtaskMetrics {
  readonly cells: Float64Array
  readonly #onRegister: (registration: MetricRegistration) => void
  readonly #base: number
  #used = taskCells

  constructor(
    buffer: SharedArrayBuffer,
    subtaskPosition: number,
    onRegister: (registration: MetricRegistration) => void = () => {},
  ) {
    this.#base = subtaskPosition * metricCellsPerSubtask
    this.cells = new Float64Array(buffer, this.#base * 8, metricCellsPerSubtask)
    this.#onRegister = onRegister
  }

  set(name: TaskMetricName, value: number): void {
    this.cells[taskMetric[name]] = value
  }

  add(name: TaskMetricName, amount: number): void {
    this.cells[taskMetric[name]]! += amount
  }

  get(name: TaskMetricName): number {
    return this.cells[taskMetric[name]]!
  }

  /** Metrics of one operator of this subtask. The same name gives the same cell. */
  group(operatorId: string, operatorName: string, subtask: number): MetricGroup {
    const cellOfName = new Map<string, number>()
    const register = (name: string, kind: 'counter' | 'gauge'): number => {
      const known = cellOfName.get(name)
      if (known !== undefined) return known
      if (this.#used >= metricCellsPerSubtask) {
        throw new MillraceError(
          'MR_PLAN_INVALID',
          `a subtask has at most ${namedCells} named metrics, cannot add '${name}'`,
          {
            context: { operator: operatorName, subtask },
          },
        )
      }
      const cell = this.#used++
      cellOfName.set(name, cell)
      this.cells[cell] = 0
      this.#onRegister({ cell: this.#base + cell, operatorId, operatorName, subtask, name, kind })
      return cell
    }
    return {
      counter: (name) => new CellCounter(this.cells, register(name, 'counter')),
      gauge: (name) => new CellGauge(this.cells, register(name, 'gauge')),
    }
  }
}

class CellCounter implements Counter {
  readonly #cells: Float64Array
  readonly #cell: number
  constructor(cells: Float64Array, cell: number) {
    this.#cells = cells
    this.#cell = cell
  }
  inc(amount = 1): void {
    this.#cells[this.#cell]! += amount
  }
  get count(): number {
    return this.#cells[this.#cell]!
  }
}

class CellGauge implements Gauge {
  readonly #cells: Float64Array
  readonly #cell: number
  constructor(cells: Float64Array, cell: number) {
    this.#cells = cells
    this.#cell = cell
  }
  set(value: number): void {
    this.#cells[this.#cell] = value
  }
  get value(): number {
    return this.#cells[this.#cell]!
  }
}
