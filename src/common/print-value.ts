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
    return JSON.stringify(value, cycleFree()) ?? String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

/** A replacer for JSON.stringify: what lies within itself is cut off there, maps and sets are their entries. */
function cycleFree(): (this: unknown, key: string, part: unknown) => unknown {
  const ancestors: unknown[] = []
  return function (_, part) {
    if (typeof part === 'bigint') return `${part}n`
    if (typeof part !== 'object' || part === null) return part
    // `this` is what holds the part: everything deeper has been printed.
    while (ancestors.length > 0 && ancestors.at(-1) !== this) ancestors.pop()
    if (ancestors.includes(part)) return '[cycle]'
    const shown = part instanceof Map || part instanceof Set ? [...part] : part
    ancestors.push(shown)
    return shown
  }
}

function quote(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
