/**
 * Names and bytes of the job directory; no other file builds these paths or reads these headers.
 *
 *   <job-dir>/
 *     job.json                     registry: whose directory this is (JSON with its own checksum)
 *     lock.<generation>            held by the process that runs the job (JSON), see job-directory-lock.ts
 *     control.sock                 where `millrace stop` and the like reach that process
 *     local/                       working files of state backends on disk; worth nothing to another process
 *     checkpoints/chk-<N>/         one checkpoint; complete exactly where _metadata exists
 *       _metadata                  written last: as _metadata.tmp, synced, renamed, directory synced
 *       <operator>-<subtask>-<name>            files that belong to this checkpoint alone
 *     shared/e<epoch>-c<N>-<operator>-<subtask>-<name>
 *                                  immutable files that later checkpoints may refer to; counted by the store
 *     savepoints/savepoint-<N>-<epoch>-<job>/  self-contained and relocatable: may be moved or copied anywhere; the job's
 *                                              id begins so, since jobs may share a directory for their savepoints
 *       _metadata
 *       files/<name>
 *
 * The epoch counts the processes that have opened the directory, so that no file name is ever used twice: not even by
 * a process that starts again from an earlier checkpoint.
 *
 * _metadata (integers little-endian)
 *
 *   0        4        8                16         20          24
 *   +--------+--------+----------------+----------+-----------+---------------------------+
 *   | "MRCK" | version| body bytes u64 | body crc | header crc| body: v8.serialize(plain) |
 *   +--------+--------+----------------+----------+-----------+---------------------------+
 *
 * crc: CRC-32 of zlib. The header's covers bytes 0 … 20.
 */
import { deserialize, serialize } from 'node:v8'
import { crc32 } from 'node:zlib'
import { MillraceError } from '../common/errors.ts'
import { type CheckpointMetadata, checkpointFormatVersion } from './checkpoint-metadata.ts'

export const jobFileName = 'job.json'
export const metadataFileName = '_metadata'
export const controlSocketName = 'control.sock'
const headerBytes = 24
const magic = 0x4b43_524d // "MRCK"

export const checkpointsDirectory = (jobDirectory: string): string => `${jobDirectory}/checkpoints`
export const checkpointDirectory = (jobDirectory: string, checkpointId: number): string =>
  `${jobDirectory}/checkpoints/chk-${checkpointId}`
/** Working files of state backends on disk: on the disk of the checkpoints, so that these can link to them. */
export const localStateDirectory = (jobDirectory: string): string => `${jobDirectory}/local`
export const sharedDirectory = (jobDirectory: string): string => `${jobDirectory}/shared`
export const savepointsDirectory = (jobDirectory: string): string => `${jobDirectory}/savepoints`
export const savepointName = (checkpointId: number, epoch: number, jobId: string): string =>
  `savepoint-${checkpointId}-${epoch}-${jobId.slice(0, 8)}`
/** Which opening of the directory a savepoint of the job was written in; undefined for other names. */
export function savepointEpochOf(name: string, jobId: string): number | undefined {
  const match = /^savepoint-(\d+)-(\d+)-/.exec(name)
  if (match === null || name !== savepointName(Number(match[1]), Number(match[2]), jobId)) return undefined
  return Number(match[2])
}
export const savepointFilesDirectory = (savepoint: string): string => `${savepoint}/files`

/** Id of a checkpoint from its directory's name; undefined for other names. */
export function checkpointIdOf(name: string): number | undefined {
  const match = /^chk-(\d+)$/.exec(name)
  return match === null ? undefined : Number(match[1])
}

/** Which snapshot a state file belongs to. */
export interface SnapshotFileOwner {
  readonly epoch: number
  readonly checkpointId: number
  readonly operatorId: string
  readonly subtaskIndex: number
}

export const exclusivePath = (owner: SnapshotFileOwner, name: string): string =>
  `checkpoints/chk-${owner.checkpointId}/${owner.operatorId}-${owner.subtaskIndex}-${fileNamePart(name)}`
export const sharedPath = (owner: SnapshotFileOwner, name: string): string =>
  `shared/${sharedPrefix(owner)}${owner.operatorId}-${owner.subtaskIndex}-${fileNamePart(name)}`
/** Shared files that came into being for one checkpoint begin so. */
export const sharedPrefix = (owner: Pick<SnapshotFileOwner, 'epoch' | 'checkpointId'>): string =>
  `e${owner.epoch}-c${owner.checkpointId}-`
/** Where a file of a checkpoint lies within a savepoint. */
export const savepointPath = (path: string): string => `files/${path.slice(path.lastIndexOf('/') + 1)}`
/** Where a file of a savepoint lies once it has been taken over into a job directory. */
export const importedPath = (owner: Pick<SnapshotFileOwner, 'epoch' | 'checkpointId'>, path: string): string =>
  `shared/${sharedPrefix(owner)}${path.slice(path.lastIndexOf('/') + 1)}`

/** A stored path must stay below its root whatever the metadata says. */
export function resolveStored(root: string, path: string): string {
  if (path.startsWith('/') || path.split('/').some((part) => part === '..' || part === '.' || part === '')) {
    throw new MillraceError('MR_CHECKPOINT_CORRUPT', `stored path leaves its directory: ${path}`, {
      context: { file: path },
    })
  }
  return `${root}/${path}`
}

function fileNamePart(name: string): string {
  if (!/^[\w.-]{1,120}$/.test(name)) {
    throw new MillraceError('MR_INTERNAL', `state file names are 1-120 of [A-Za-z0-9_.-], got ${JSON.stringify(name)}`)
  }
  return name
}

export function encodeMetadata(metadata: CheckpointMetadata): Uint8Array {
  const body = serialize(metadata)
  const bytes = Buffer.alloc(headerBytes + body.byteLength)
  bytes.writeUInt32LE(magic, 0)
  bytes.writeUInt32LE(checkpointFormatVersion, 4)
  bytes.writeBigUInt64LE(BigInt(body.byteLength), 8)
  bytes.writeUInt32LE(crc32(body), 16)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 20)), 20)
  bytes.set(body, headerBytes)
  return bytes
}

/** Throws MR_CHECKPOINT_CORRUPT for any wrong byte and MR_CHECKPOINT_INCOMPATIBLE for a newer format; both name `file`. */
export function decodeMetadata(content: Uint8Array, file: string): CheckpointMetadata {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  const corrupt = (what: string): never => {
    throw new MillraceError('MR_CHECKPOINT_CORRUPT', `${file}: ${what}`, { context: { file } })
  }
  if (bytes.byteLength < headerBytes) corrupt(`expected at least ${headerBytes} bytes, found ${bytes.byteLength}`)
  if (bytes.readUInt32LE(0) !== magic) corrupt('is not checkpoint metadata (magic number differs)')
  if (crc32(bytes.subarray(0, 20)) !== bytes.readUInt32LE(20)) corrupt('header does not match its checksum')
  const version = bytes.readUInt32LE(4)
  if (version > checkpointFormatVersion) {
    throw new MillraceError(
      'MR_CHECKPOINT_INCOMPATIBLE',
      `${file} has format version ${version}; this program reads versions up to ${checkpointFormatVersion}`,
      { context: { file } },
    )
  }
  const body = bytes.subarray(headerBytes)
  const bodyBytes = Number(bytes.readBigUInt64LE(8))
  if (bodyBytes !== body.byteLength) corrupt(`expected ${bodyBytes} bytes of content, found ${body.byteLength}`)
  if (crc32(body) !== bytes.readUInt32LE(16)) corrupt('content does not match its checksum')
  return deserialize(body) as CheckpointMetadata
}

/** Content of job.json. */
export interface JobRecord {
  readonly formatVersion: number
  readonly jobName: string
  readonly jobId: string
  /** Of the program that opened the directory last. */
  readonly fingerprint: string
  /** How many processes have opened the directory. */
  readonly epoch: number
  readonly createdMs: number
  /** No checkpoint of this directory has used this id or a greater one when the epoch began. */
  readonly nextCheckpointId: number
}

export function encodeJobRecord(job: JobRecord): Uint8Array {
  return Buffer.from(`${JSON.stringify({ millrace: 'job', crc32: crc32(JSON.stringify(job)), job }, null, 2)}\n`)
}

export function decodeJobRecord(content: Uint8Array, file: string): JobRecord {
  const context = { file }
  let parsed: { crc32?: unknown; job?: JobRecord }
  try {
    parsed = JSON.parse(Buffer.from(content).toString('utf8')) as typeof parsed
  } catch (cause) {
    throw new MillraceError('MR_CHECKPOINT_CORRUPT', `${file} is not JSON`, { cause, context })
  }
  const { job } = parsed ?? {}
  if (job === undefined || typeof job !== 'object' || crc32(JSON.stringify(job)) !== parsed.crc32) {
    throw new MillraceError('MR_CHECKPOINT_CORRUPT', `${file} does not match its checksum`, { context })
  }
  if (job.formatVersion > checkpointFormatVersion) {
    throw new MillraceError(
      'MR_JOB_DIR_UNUSABLE',
      `${file} has format version ${job.formatVersion}; this program reads versions up to ${checkpointFormatVersion}`,
      { context },
    )
  }
  // The checksum is of the content; what lies between is looked at, too.
  if (Buffer.compare(encodeJobRecord(job), content) !== 0)
    throw new MillraceError('MR_CHECKPOINT_CORRUPT', `${file} is not as it was written`, { context })
  return job
}
