/** forward and global: every record goes to the first channel. Forward edges have just that one. */
import type { Partitioner } from './partitioner.ts'

export function single(): Partitioner {
  return { bindings: {}, select: (names) => `${names.channels}[0]` }
}
