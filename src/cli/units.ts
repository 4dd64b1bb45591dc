/** Numbers as people read them. */

/** 1234567 → `1.23 M`. */
export function count(value: number): string {
  return scaled(value, 1_000, ['', ' k', ' M', ' G', ' T'])
}

/** 1536 → `1.50 KiB`. */
export function bytes(value: number): string {
  return scaled(value, 1_024, [' B', ' KiB', ' MiB', ' GiB', ' TiB'])
}

/** 83_000 → `1 min 23 s`. */
export function duration(valueMs: number): string {
  if (valueMs < 1_000) return `${Math.round(valueMs)} ms`
  if (valueMs < 60_000) return `${(valueMs / 1_000).toFixed(valueMs < 10_000 ? 2 : 1)} s`
  const wholeSeconds = Math.round(valueMs / 1_000)
  const minutes = Math.floor(wholeSeconds / 60)
  if (minutes < 60) return `${minutes} min ${wholeSeconds % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

function scaled(value: number, base: number, units: readonly string[]): string {
  let unit = 0
  let rest = value
  while (rest >= base && unit < units.length - 1) {
    rest /= base
    unit++
  }
  return `${unit === 0 ? Math.round(rest) : rest.toPrecision(3)}${units[unit]}`
}
