/** What the workers of the channel test are told. */
import type { ExchangeDescription } from '../../../src/exchange/exchange.ts'

export interface ChannelTask {
  readonly description: ExchangeDescription
  readonly slot: number
  readonly channel: number
  readonly seed: number
  readonly messages: number
}

export interface ConsumerTask {
  readonly description: ExchangeDescription
  readonly slot: number
  /** In the order of channels. */
  readonly seeds: readonly number[]
  /** Pauses now and then, so that the channels fill up. */
  readonly pauseSeed: number
}
