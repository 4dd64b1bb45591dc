/** Prints any value into an error message: bounded, never throwing. */
import { recordPrintCharsMax } from './limits.ts'

export function printValue(value: unknown, charsMax: number = recordPrintCharsMax): string {
  const text = print(value)
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1)}…`
}

function print(value: unknown): string {
  if (typeof value === 'function') return `[function ${value.name || 'anonymous'}]`
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? `${value}n` : quote(value)
  try {
    return JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part)) ?? String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

function quote(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
