/** What happens to a record that does not have the declared format. */
import { MillraceError } from '../../common/errors.ts'
import { recordPrintCharsMax } from '../../common/limits.ts'
import type { OperatorContext, Output } from '../../operators/operator.ts'
import { type OutputTag, outputTag } from '../../operators/output-tag.ts'
import type { TextWindow } from '../files/text-window.ts'

/** 'fail' ends the job with MR_FORMAT_MALFORMED; 'skip' counts the record; 'side-output' sends it to `malformedRecords`. */
export type MalformedPolicy = 'fail' | 'skip' | 'side-output'

/** A record that could not be read, and where it stands. */
export interface MalformedRecord {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** Bytes from the start of the (unpacked) file. */
  readonly offset: number
  /** The record's text, cut to a bounded length. */
  readonly text: string
  readonly reason: string
}

/**
 * Where sources with `onError: 'side-output'` send what they could not read.
 * @example const bad = env.source(ndjson('in/', { onError: 'side-output' })).getSideOutput(malformedRecords)
 */
export const malformedRecords: OutputTag<MalformedRecord> = outputTag<MalformedRecord>('malformed-records')

/** Thrown by parsers: cheap (no stack), because one may come per record. */
export class Malformed {
  readonly reason: string

  constructor(reason: string) {
    this.reason = reason
  }
}

/** Name of the metric and of the accumulator that count malformed records. */
const counterName = 'numRecordsInErrors'

/** The policy, 'fail' where none is given; MR_CONFIG_INVALID_VALUE for anything else. */
export function malformedPolicy(policy: MalformedPolicy = 'fail'): MalformedPolicy {
  if (policy === 'fail' || policy === 'skip' || policy === 'side-output') return policy
  const message = `onError must be fail, skip or side-output, got ${String(policy)}`
  throw new MillraceError('MR_CONFIG_INVALID_VALUE', message)
}

export class MalformedHandler {
  readonly #policy: MalformedPolicy
  readonly #context: OperatorContext
  readonly #format: string

  constructor(policy: MalformedPolicy, format: string, context: OperatorContext) {
    this.#policy = policy
    this.#format = format
    this.#context = context
  }

  /** Handles the record at `window.cursor`. */
  handle(window: TextWindow, text: string, error: unknown, output: Output<unknown>): void {
    const { metrics, accumulators } = this.#context
    metrics.counter(counterName).inc()
    accumulators.add(counterName, 1)
    if (this.#policy === 'fail') throw this.failure(window, text, error)
    if (this.#policy === 'side-output') output.collectSide(malformedRecords, malformedRecord(window, text, error))
  }

  /** The error that ends the job. */
  failure(window: TextWindow, record: string, error: unknown): MillraceError {
    const { file, line, offset, text, reason } = malformedRecord(window, record, error)
    const message = `${file}, line ${line} (byte ${offset}) is not ${this.#format}: ${reason}`
    return new MillraceError('MR_FORMAT_MALFORMED', message, { context: { file, line, offset, record: text } })
  }
}

function malformedRecord(window: TextWindow, text: string, error: unknown): MalformedRecord {
  return {
    file: window.path,
    line: window.cursorLine(),
    offset: window.cursorOffset(),
    text: text.length > recordPrintCharsMax ? `${text.slice(0, recordPrintCharsMax)}…` : text,
    reason: reasonOf(error),
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Malformed) return error.reason
  return error instanceof Error ? error.message : String(error)
}
