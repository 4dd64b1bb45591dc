/** What a query of the auction workload is: a program over the events that ends in a checked result. */
import { WatermarkStrategy } from '../../src/index.ts'
import type { StreamExecutionEnvironment } from '../../src/index.ts'
import type { AuctionOptions } from './generator.ts'

export interface Workload extends Required<AuctionOptions> {
  /** Bounded out-of-orderness of the workload's disorder. */
  watermarks<T>(): WatermarkStrategy<T>
}

/** Builds the query's program; its results end in `checkSink`. */
export type Query = (env: StreamExecutionEnvironment, workload: Workload) => void

export function workload(options: Required<AuctionOptions>): Workload {
  return { ...options, watermarks: <T>() => WatermarkStrategy.forBoundedOutOfOrderness<T>(options.disorder) }
}
