/** Flink's StateTtlConfig: time to live of state entries, in processing time. */
export interface StateTtlConfig {
  readonly ttlMs: number
  /** Default `onCreateAndWrite`. */
  readonly updateType?: 'onCreateAndWrite' | 'onReadAndWrite'
  /** Default `neverReturnExpired`. */
  readonly visibility?: 'neverReturnExpired' | 'returnExpiredIfNotCleanedUp'
  /** Entries that are checked for expiry with each access, and whether also per record. Default 5, false. */
  readonly incrementalCleanup?: { readonly cleanupSize: number; readonly runPerRecord?: boolean }
  /** Expired entries stay out of full snapshots. Default true. */
  readonly cleanupInFullSnapshot?: boolean
}
