/**
 * What goes into state must not hold on to what it was cut out of: V8 keeps substrings of 13 characters and more as
 * slices, and one word kept for ever would keep its whole batch. Called where an entry is inserted, never on updates.
 */
type NativeBuffer = Buffer & {
  latin1Write(text: string, offset: number, length: number): number
  latin1Slice(start: number, end: number): string
}

/** Shorter strings are copied by V8 itself (SlicedString::kMinLength). */
const sliceUnitsMin = 13

const scratch = Buffer.allocUnsafeSlow(4096) as NativeBuffer

export function detachedText(text: string): string {
  const units = text.length
  if (units < sliceUnitsMin) return text
  if (units <= scratch.length) {
    scratch.latin1Write(text, 0, units)
    const copy = scratch.latin1Slice(0, units)
    if (copy === text) return copy
  }
  return Buffer.from(text, 'utf16le').toString('utf16le')
}

/** The value, its strings copied: those of an array or a plain object in place, one level deep. */
export function detached<T>(value: T): T {
  if (typeof value === 'string') return detachedText(value) as T
  if (typeof value === 'object' && value !== null) detachFields(value)
  return value
}

function detachFields(value: object): void {
  if (Array.isArray(value)) {
    if (Object.isFrozen(value)) return
    for (let i = 0; i < value.length; i++) {
      const element: unknown = value[i]
      if (typeof element === 'string' && element.length >= sliceUnitsMin) value[i] = detachedText(element)
    }
    return
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return
  const fields = value as Record<string, unknown>
  let isFrozen: boolean | undefined
  for (const name in fields) {
    const field = fields[name]
    if (typeof field !== 'string' || field.length < sliceUnitsMin) continue
    isFrozen ??= Object.isFrozen(value)
    if (isFrozen) return
    fields[name] = detachedText(field)
  }
}

/** A cheap estimate of the bytes that a value takes on the heap: its own, and its fields' one level deep. */
export function estimatedBytes(value: unknown): number {
  if (typeof value === 'string') return 24 + value.length
  if (typeof value === 'bigint') return 24
  if (typeof value !== 'object' || value === null) return 8
  if (ArrayBuffer.isView(value)) return 120 + value.byteLength
  if (Array.isArray(value)) {
    const length = value.length
    return 32 + length * (8 + (length === 0 ? 0 : flatBytes(value[length - 1])))
  }
  if (value instanceof Map || value instanceof Set) return 100 + value.size * 64
  let bytes = 24
  const fields = value as Record<string, unknown>
  for (const name in fields) bytes += 8 + flatBytes(fields[name])
  return bytes
}

function flatBytes(value: unknown): number {
  if (typeof value === 'string') return 24 + value.length
  if (typeof value === 'object' && value !== null) return 64
  return typeof value === 'number' && (value | 0) === value ? 0 : 16
}
