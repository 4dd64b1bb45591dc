/** Runs something for many seeds, and says which one failed. */
import { MillraceError } from '../../common/errors.ts'

/** Which seeds are run. */
export interface SeedRange {
  readonly count: number
  /** Default 1. */
  readonly first?: number
}

/**
 * Calls `run` for one seed after another. With the environment variable MILLRACE_SEED for that one only.
 * Errors: MR_SIMULATION_FAILED, which names the seed, with what `run` threw as cause.
 * @example
 * await forEachSeed({ count: 100 }, async (seed) => {
 *   if (seed < 0) throw new Error('cannot be')
 * })
 */
export async function forEachSeed(
  { count, first = 1 }: SeedRange,
  run: (seed: number) => void | Promise<void>,
): Promise<void> {
  const only = process.env['MILLRACE_SEED']
  const seeds = only === undefined ? Array.from({ length: count }, (_, i) => first + i) : [Number(only)]
  for (const seed of seeds) {
    try {
      await run(seed)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      const message = `seed ${seed} (MILLRACE_SEED=${seed} runs it alone): ${reason}`
      throw new MillraceError('MR_SIMULATION_FAILED', message, { cause })
    }
  }
}
