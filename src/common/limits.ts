/** Everything has a limit. Each is defined here once, with its unit last in its name. */

/** Flink's upper bound of key groups. */
export const maxParallelismMax = 32_768
/** Default number of key groups. */
export const maxParallelismDefault = 128
/** Records that one poll of a source or one batch of an exchange holds at most. */
export const batchRecordsMax = 4_096
/** Bytes of one segment of the exchange. */
export const segmentBytesDefault = 65_536
/** Characters of a record printed into an error message. */
export const recordPrintCharsMax = 400
/** Timestamp of a record that has none (Flink: Long.MIN_VALUE). */
export const noTimestamp: number = Number.NEGATIVE_INFINITY
/** Watermark after the last record of a bounded input (Flink: Long.MAX_VALUE). */
export const maxWatermark: number = Number.POSITIVE_INFINITY
/** Watermark before the first record. */
export const minWatermark: number = Number.NEGATIVE_INFINITY
