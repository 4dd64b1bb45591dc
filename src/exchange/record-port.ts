/**
 * What edge writers need of a channel beyond its contract: the sink for the next record, so that the loop calls
 * generated code directly, and the slow way for everything it refuses.
 */
import { type RecordSink, Written } from '../data/block-encoder.ts'
import type { ChannelWriter } from './channel.ts'

export interface RecordPort extends ChannelWriter {
  /** Takes the next record; a refusal (not Written.Wrote) goes to writeSlow with the same record. */
  readonly block: RecordSink
  writeSlow(value: unknown, timestampMs: number, refusal: number): void
}

/** How many channels of an edge hold something back: one load for `isFull`. Writers count themselves in and out. */
export interface Pressure {
  fullChannels: number
}

/** The sink of a writer without an open block. */
export const noBlock: RecordSink = { count: 0, stride: 0, write: () => Written.Full }
