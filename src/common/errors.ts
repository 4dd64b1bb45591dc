/**
 * MillraceError: every operating error carries a code of the one table. Errors cross threads, so compare `code`,
 * never `instanceof`; `toPlain`/`fromPlain` keep code, context, stack and cause over structured clone.
 */
import { type ErrorCode, errorCodes } from './error-codes.ts'

/** Where an error happened, as far as known. All fields are plain data. */
export interface ErrorContext {
  operator?: string
  subtask?: number
  /** The record at hand, printed and cut to a bounded length. */
  record?: string
  key?: string
  window?: string
  file?: string
  line?: number
  offset?: number
}

export interface PlainError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  readonly code: string | undefined
  readonly context: ErrorContext
  readonly cause: PlainError | undefined
}

/** An operating error. It carries a code of the one table; compare `code`, since errors cross threads. */
export class MillraceError extends Error {
  readonly code: ErrorCode
  readonly context: ErrorContext

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; context?: ErrorContext } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'MillraceError'
    this.code = code
    this.context = options.context ?? {}
  }

  get advice(): string {
    return errorCodes[this.code].advice
  }

  get retryable(): boolean {
    return errorCodes[this.code].retryable
  }
}

/** The code of any thrown value, `undefined` where it is not one of ours. Works over threads and copies. */
export function codeOf(error: unknown): ErrorCode | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' && code in errorCodes ? (code as ErrorCode) : undefined
}

/** Returns the error itself where it is coded, otherwise wraps it. */
export function asMillraceError(
  error: unknown,
  code: ErrorCode = 'MR_INTERNAL',
  context: ErrorContext = {},
): MillraceError {
  if (error instanceof MillraceError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new MillraceError(codeOf(error) ?? code, message, { cause: error, context })
}

/** Structured-cloneable form of any thrown value. Cycles in `cause` are cut at depth 8. */
export function toPlain(error: unknown, depth = 0): PlainError {
  if (!(error instanceof Error)) {
    return { name: 'Error', message: String(error), stack: undefined, code: undefined, context: {}, cause: undefined }
  }
  const { code, context, cause } = error as Error & { code?: unknown; context?: ErrorContext }
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    code: typeof code === 'string' ? code : undefined,
    context: context ?? {},
    cause: cause === undefined || depth >= 8 ? undefined : toPlain(cause, depth + 1),
  }
}

export function fromPlain(plain: PlainError): Error {
  const cause = plain.cause === undefined ? undefined : fromPlain(plain.cause)
  const code = codeOf(plain)
  const error =
    code === undefined
      ? Object.assign(new Error(plain.message, { cause }), plain.code === undefined ? {} : { code: plain.code })
      : new MillraceError(code, plain.message, { cause, context: plain.context })
  if (code === undefined) error.name = plain.name
  if (plain.stack !== undefined) error.stack = plain.stack
  return error
}
