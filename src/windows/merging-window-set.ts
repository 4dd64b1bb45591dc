/**
 * The open windows of one key where windows merge, and the namespace in which each keeps its contents. A merged window
 * goes on with the state namespace of one of its parts, so that contents move only where two parts had some.
 */
import type { Namespace, ValueState } from '../state/keyed-state-backend.ts'
import type { Window } from './window.ts'
import type { MergingWindowAssigner } from './window-assigner.ts'

/** Flat pairs: window, state namespace. */
export type MergingWindowPairs = readonly Namespace[]

export type OnWindowMerge<W> = (
  result: W,
  merged: readonly W[],
  stateOfResult: Namespace,
  mergedStates: readonly Namespace[],
) => void

export class MergingWindowSet<T, W extends Window> {
  readonly #assigner: MergingWindowAssigner<T, W>
  readonly #state: ValueState<MergingWindowPairs>
  #stateByWindow = new Map<Namespace, Namespace>()
  #isChanged = false

  constructor(assigner: MergingWindowAssigner<T, W>, state: ValueState<MergingWindowPairs>) {
    this.#assigner = assigner
    this.#state = state
  }

  /** Takes the windows of the current key (namespace 0). */
  load(): this {
    this.#stateByWindow.clear()
    this.#isChanged = false
    const pairs = this.#state.value() ?? []
    for (let i = 0; i < pairs.length; i += 2) this.#stateByWindow.set(pairs[i]!, pairs[i + 1]!)
    return this
  }

  /** Writes the windows of the current key back (namespace 0). */
  persist(): void {
    if (!this.#isChanged) return
    this.#isChanged = false
    if (this.#stateByWindow.size === 0) this.#state.clear()
    else this.#state.update([...this.#stateByWindow].flat())
  }

  /** Where the window keeps its contents; undefined where it is not open. */
  stateOf(window: W): Namespace | undefined {
    return this.#stateByWindow.get(this.#assigner.codec.encode(window))
  }

  retire(window: W): void {
    if (this.#stateByWindow.delete(this.#assigner.codec.encode(window))) this.#isChanged = true
  }

  /** Adds a window, merging what then belongs together; answers the window that the new one is part of. */
  addWindow(newWindow: W, onMerge: OnWindowMerge<W>): W {
    const { codec } = this.#assigner
    const newCode = codec.encode(newWindow)
    const windows = [...this.#stateByWindow.keys()].map((code) => codec.decode(code))
    if (!this.#stateByWindow.has(newCode)) windows.push(newWindow)
    const merges: { readonly merged: readonly W[]; readonly result: W }[] = []
    this.#assigner.mergeWindows(windows, (merged, result) => void merges.push({ merged, result }))
    let actual = newWindow
    let isMerged = false
    for (const { merged, result } of merges) {
      const earlier = merged.filter((window) => codec.encode(window) !== newCode || this.#stateByWindow.has(newCode))
      if (merged.some((window) => codec.encode(window) === newCode)) {
        actual = result
        isMerged = true
      }
      this.#mergeInto(result, earlier, onMerge)
    }
    if (!isMerged && !this.#stateByWindow.has(newCode)) this.#put(newCode, newCode)
    return actual
  }

  #mergeInto(result: W, earlier: readonly W[], onMerge: OnWindowMerge<W>): void {
    const { codec } = this.#assigner
    const resultCode = codec.encode(result)
    const codes = earlier.map((window) => codec.encode(window))
    const states = codes.map((code) => this.#stateByWindow.get(code)!)
    const [stateOfResult, ...mergedStates] = states as [Namespace, ...Namespace[]]
    // The new record falls into a window that is open already, and does not make it longer.
    if (codes.length === 1 && codes[0] === resultCode) return
    for (const code of codes) this.#stateByWindow.delete(code)
    this.#put(resultCode, stateOfResult)
    onMerge(result, earlier, stateOfResult, mergedStates)
  }

  #put(window: Namespace, state: Namespace): void {
    this.#stateByWindow.set(window, state)
    this.#isChanged = true
  }
}
