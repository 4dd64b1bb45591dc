/** What state needs of the place where checkpoints are kept. The checkpoint folder implements it. */
export interface StoredFile {
  /** Relative to the root of the checkpoint directory, with forward slashes. */
  readonly path: string
  readonly bytes: number
  readonly crc32: number
  /** Immutable and possibly used by several checkpoints; counted by the store. */
  readonly shared: boolean
}

export type FileChecksum = Pick<StoredFile, 'bytes' | 'crc32'>

export interface SnapshotSink {
  /**
   * Writes a file that belongs to this checkpoint alone. Synced before it resolves. A chunk is done with when the one after
   * the next is asked for; of asynchronous chunks, before the next.
   */
  writeExclusive(name: string, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<StoredFile>
  /** Writes an immutable file that later checkpoints may refer to. `name` is made unique by the store. */
  writeShared(name: string, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<StoredFile>
  /**
   * Hard-links (or copies) an immutable local file as shared; `uniqueId` names its content for ever. `checksum`: see
   * `localPath`.
   */
  linkShared(
    localPath: string,
    uniqueId: string,
    checksum?: (path: string) => Promise<FileChecksum>,
  ): Promise<StoredFile>
  /** Refers again to a shared file of an earlier completed checkpoint. */
  reuse(file: StoredFile): StoredFile
}

export interface SnapshotSource {
  /** Reads and verifies; MR_CHECKPOINT_CORRUPT names the file where length or checksum differ. */
  read(file: StoredFile): Promise<Uint8Array>
  /**
   * A large file in pieces that stay valid until the next one: verified after the last of them as by `read`, unless it
   * has been before (`isVerified`). Undefined where it is better read whole.
   */
  pieces?(file: StoredFile, isVerified?: boolean): AsyncIterable<Uint8Array> | undefined
  /** Absolute path of the verified file, for hard links; `checksum` is a faster way to read it through, off this thread, if there is one. */
  localPath(file: StoredFile, checksum?: (path: string) => Promise<FileChecksum>): Promise<string>
}
