/**
 * From the contents of a window to its results: as they are, through a process function, or past an evictor.
 * One emitter per operator; it is the process function's context as well.
 */
import { MillraceError } from '../common/errors.ts'
import { bindFunction } from '../operators/bind-function.ts'
import type { OperatorContext, Output } from '../operators/operator.ts'
import type { OutputTag } from '../operators/output-tag.ts'
import type { Collector } from '../operators/process-context.ts'
import type { KeyedStateStore } from '../operators/runtime-context.ts'
import { userFunctionError } from '../operators/user-function-error.ts'
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts'
import { namespacedStateStore } from './namespaced-state.ts'
import type { Window } from './window.ts'
import type { WindowCodec } from './window-assigner.ts'
import type { ProcessWindow, ProcessWindowFunction, WindowContext } from './window-function.ts'

export type WindowProcessor<In, Out, Key, W extends Window> =
  | ProcessWindow<In, Out, Key, W>
  | ProcessWindowFunction<In, Out, Key, W>

export interface EmitterParts<W extends Window> {
  readonly context: OperatorContext
  readonly backend: KeyedStateBackend
  readonly codec: WindowCodec<W>
  readonly isMerging: boolean
  currentWatermarkMs(): number
}

/** Emits through a process function. */
export class ProcessEmitter<In, Out, Key, W extends Window> implements WindowContext<W>, Collector<Out> {
  readonly #parts: EmitterParts<W>
  readonly #output: Output<Out>
  readonly #function: WindowProcessor<In, Out, Key, W>
  readonly #process: ProcessWindow<In, Out, Key, W>
  readonly #windowState: KeyedStateStore
  readonly #globalState: KeyedStateStore
  #window!: W

  constructor(processor: WindowProcessor<In, Out, Key, W>, output: Output<Out>, parts: EmitterParts<W>) {
    const { backend, codec } = parts
    this.#function = processor
    this.#process = bindFunction<ProcessWindow<In, Out, Key, W>>(processor, 'process')
    this.#output = output
    this.#parts = parts
    this.#windowState = namespacedStateStore(backend, 'window/', () =>
      backend.setCurrentNamespace(codec.encode(this.#window)),
    )
    this.#globalState = namespacedStateStore(backend, 'global/', () => backend.setCurrentNamespace(0))
  }

  /** `elements` of the window, for the current key. Leaves another namespace current. */
  emit(window: W, elements: Iterable<In>): void {
    this.#window = window
    const key = this.#parts.backend.currentKey() as Key
    try {
      this.#process(key, this, elements, this)
    } catch (error) {
      throw userFunctionError(error, this.#parts.context, { what: 'process', key, window: String(window) })
    }
  }

  /** The window of the current key is gone for good. */
  clear(window: W): void {
    const { clear } = this.#function as Partial<ProcessWindowFunction<In, Out, Key, W>>
    if (clear === undefined) return
    this.#window = window
    try {
      clear.call(this.#function, this)
    } catch (error) {
      const key = this.#parts.backend.currentKey()
      throw userFunctionError(error, this.#parts.context, { what: 'clear', key, window: String(window) })
    }
  }

  collect(value: Out): void {
    this.#output.collectAt(value, this.#window.maxTimestampMs)
  }

  get window(): W {
    return this.#window
  }

  currentProcessingTime(): number {
    return this.#parts.context.clock.nowMs()
  }

  currentWatermark(): number {
    return this.#parts.currentWatermarkMs()
  }

  windowState(): KeyedStateStore {
    if (!this.#parts.isMerging) return this.#windowState
    throw new MillraceError('MR_PLAN_INVALID', 'per-window state is not allowed with merging windows')
  }

  globalState(): KeyedStateStore {
    return this.#globalState
  }

  output<S>(tag: OutputTag<S>, value: S): void {
    this.#output.collectSide(tag, value, this.#window.maxTimestampMs)
  }
}
