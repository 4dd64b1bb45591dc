/** User functions of the stateless operators, as plain functions or as expressions over a collector. */

export interface Collector<T> {
  collect(value: T): void
}

/** A function that emits through a collector, as one that returns what it emitted: valid until the next call. */
export function collecting<T, R>(emit: (value: T, collector: Collector<R>) => void): (value: T) => readonly R[] {
  const emitted: R[] = []
  const collector: Collector<R> = { collect: (value) => void emitted.push(value) }
  return (value) => {
    emitted.length = 0
    emit(value, collector)
    return emitted
  }
}
