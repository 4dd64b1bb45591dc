/** The content of a backend as it was when a snapshot began, while it is being written. */
export interface FrozenState {
  /** True where nothing has changed: a delta without a block. */
  readonly isEmpty: boolean
  /**
   * The blocks of the file, one or some at a time, made on demand while the backend goes on: a few ms each at most. What
   * has the length of a chunk or more is valid until the one after the next is asked for: one is made while the one
   * before is written.
   */
  blocks(): Iterable<Uint8Array>
  /** The snapshot is written, or given up. */
  close(): void
}
