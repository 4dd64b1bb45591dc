/**
 * Tracking of tables with int32 keys: their records have a word to spare beside the key, which says when the entry has
 * changed. A change writes to the line of memory that it writes to anyway, growing and splitting copy it along, and what
 * a barrier does costs nothing: time goes on, and older stamps mean something else.
 *
 *   0                  the place is empty (so is the key's word)
 *   4 n                changed in period n (n ≥ 1; a period ends when a snapshot that tracks begins)
 *   4 n + 2            written by the snapshot that ended period n, and not changed since
 *   | 1                an earlier snapshot may contain the key: removing it leaves a grave
 *
 * A snapshot on the basis of a completed one writes what is stamped later than what that one has written. Blocks of
 * places have stamps, too, at least as late as their entries': those that have not changed are not looked into.
 *
 * Where nearly all entries change between two snapshots, noting each change is work for nothing: such a partition is taken
 * whole for a while, its stamps stay as they are, and the next snapshots write all of it.
 */
import { MillraceError } from '../../common/errors.ts'

const period = 4
const writtenAtEnd = 2
const stampMax = 0x7fffffff - 2 * period

/** Before every stamp. */
export const never = 1

/** Places of a block are 2^blockShift. (Generated code knows this.) */
export const blockShift = 6

export function blocksOf(places: number): number {
  return (places + (1 << blockShift) - 1) >>> blockShift
}

/** The clock of a backend. */
export class Stamps {
  /** What changes are stamped with now. */
  now: number = period

  /** Ends a period; answers the stamp of what its snapshot writes. Errors: MR_CHECKPOINT_FAILED after 536 million. */
  end(): number {
    if (this.now > stampMax) {
      throw new MillraceError(
        'MR_CHECKPOINT_FAILED',
        'too many checkpoints since the state was loaded; a restart helps',
      )
    }
    const written = this.now + writtenAtEnd
    this.now += period
    return written
  }
}
