/** The content of a backend as it was when a snapshot began, while it is being written. */
export interface FrozenState {
  /** True where nothing has changed: a delta without a block. */
  readonly isEmpty: boolean
  /** The blocks of the file, made on demand while the backend goes on; each takes a few ms at most. */
  blocks(): Iterable<Uint8Array>
  /** The snapshot is written, or given up. */
  close(): void
}
