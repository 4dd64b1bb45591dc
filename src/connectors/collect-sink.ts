/** Hands records over in bounded batches to whoever collects them; how they travel from there is the runtime's. */
import { asMillraceError } from '../common/errors.ts'
import { Progress } from '../common/progress.ts'
import type { OperatorContext } from '../operators/operator.ts'
import type { Sink, SinkWriter } from './sink.ts'

/** The near end of a collection. All calls from the slot's thread. */
export interface CollectPort<T> {
  /** Takes a batch; the array is the port's from then on. */
  hand(values: T[]): void
  /** True where the far end has too much waiting: the sink then takes no more for now. */
  isFull?(): boolean
  close?(): void
}

/** Records handed over at once at most. */
const collectBatchRecordsMax = 512

/**
 * A sink that opens one port per subtask and hands it batches: when `collectBatchRecordsMax` are there, at the end of
 * each batch of input, and at the end. A port that throws a DataCloneError fails the task with MR_DATA_NOT_SERIALIZABLE.
 */
export function collectSink<T>(openPort: (context: OperatorContext) => CollectPort<T>): Sink<T, never, never> {
  return { name: 'collect', createWriter: (context) => new CollectWriter(openPort(context)) }
}

class CollectWriter<T> implements SinkWriter<T, never, never> {
  readonly #port: CollectPort<T>
  #batch: T[] = []

  constructor(port: CollectPort<T>) {
    this.#port = port
  }

  write(value: T): void {
    this.#batch.push(value)
    if (this.#batch.length >= collectBatchRecordsMax) this.endOfBatch()
  }

  isFull(): boolean {
    return this.#port.isFull?.() ?? false
  }

  endOfBatch(): void {
    if (this.#batch.length === 0) return
    const values = this.#batch
    this.#batch = []
    try {
      this.#port.hand(values)
    } catch (error) {
      throw (error as Error).name === 'DataCloneError' ? asMillraceError(error, 'MR_DATA_NOT_SERIALIZABLE') : error
    }
  }

  flush(): Progress {
    this.endOfBatch()
    return Progress.Done
  }

  close(): void {
    this.#port.close?.()
  }
}
