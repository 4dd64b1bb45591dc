/** Seeded randomness (splitmix32): the only source of randomness in the engine. Same seed, same sequence. */
export interface Prng {
  /** Uniform in 0 … 2^32 - 1. */
  nextUint32(): number
  /** Uniform in 0 … bound - 1; bound is a whole number in 1 … 2^32. */
  nextBelow(bound: number): number
  /** Uniform in [0, 1). */
  nextFloat(): number
}

export function prng(seed: number): Prng {
  let state = seed | 0
  const nextUint32 = (): number => {
    state = (state + 0x9e3779b9) | 0
    let z = state ^ (state >>> 16)
    z = Math.imul(z, 0x21f0aaad)
    z ^= z >>> 15
    z = Math.imul(z, 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }
  const nextFloat = (): number => nextUint32() / 4294967296
  return { nextUint32, nextFloat, nextBelow: (bound) => Math.floor(nextFloat() * bound) }
}
