/** Metrics of one operator or task. Values live in shared memory so that other threads read them while the job runs. */
export interface Counter {
  inc(amount?: number): void
  readonly count: number
}

export interface Gauge {
  set(value: number): void
  readonly value: number
}

export interface MetricGroup {
  counter(name: string): Counter
  gauge(name: string): Gauge
}
