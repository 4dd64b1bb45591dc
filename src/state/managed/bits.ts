/** Bit sets and words of entries in Int32Arrays. Hot while tables grow and snapshots are under way. */

export function hasBit(bits: Int32Array, index: number): boolean {
  return (bits[index >>> 5]! & (1 << (index & 31))) !== 0
}

export function copyWords(from: Int32Array, at: number, to: Int32Array, start: number, count: number): void {
  for (let i = 0; i < count; i++) to[start + i] = from[at + i]!
}

export function copyBit(from: Int32Array, source: number, to: Int32Array, target: number): void {
  if (hasBit(from, source)) to[target >>> 5]! |= 1 << (target & 31)
}

export function moveBit(bits: Int32Array, from: number, to: number): void {
  const bit = 1 << (to & 31)
  if (hasBit(bits, from)) bits[to >>> 5]! |= bit
  else bits[to >>> 5]! &= ~bit
}
