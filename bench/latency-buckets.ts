/** Buckets of latencies: each power of two of microseconds in 16 of equal width, so a quantile is off by a sixteenth. */
const perOctave = 16
const octaves = 26

export const bucketCount: number = perOctave * octaves

export function bucketOf(latencyMs: number): number {
  const us = Math.max(1, latencyMs * 1_000)
  const octave = Math.min(octaves - 1, Math.floor(Math.log2(us)))
  return octave * perOctave + Math.min(perOctave - 1, Math.floor((us / 2 ** octave - 1) * perOctave))
}

/** The upper end of a bucket, in ms. */
export function endMsOf(bucket: number): number {
  const octave = Math.floor(bucket / perOctave)
  return (2 ** octave * (1 + ((bucket % perOctave) + 1) / perOctave)) / 1_000
}

/** The latency that `share` of all records stay under, in ms. */
export function quantileMs(counts: readonly number[], share: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  let seen = 0
  for (let bucket = 0; bucket < counts.length; bucket++) {
    seen += counts[bucket]!
    if (seen >= total * share) return endMsOf(bucket)
  }
  return 0
}
