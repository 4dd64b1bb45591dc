/** Builders of checkpoints for tests of the store: small metadata around files whose content follows from a name. */
import type { CheckpointMetadata, OperatorSnapshot } from '../../src/checkpoint/checkpoint-metadata.ts'
import { CheckpointStore, type CheckpointStoreOptions } from '../../src/checkpoint/checkpoint-store.ts'
import type { ProcessTable } from '../../src/common/processes.ts'
import { openSnapshotSink } from '../../src/checkpoint/snapshot-files.ts'
import type { FileSystem } from '../../src/common/file-system.ts'
import { prng } from '../../src/common/prng.ts'
import type { StoredFile } from '../../src/state/snapshot-store.ts'

export const operatorId = '0123456789abcdef0123456789abcdef'
export const jobDirectory = '/data/job'

/** Every open in a test is another process; those before have died. */
export function processTable(pid: number, alive: ReadonlySet<number> = new Set()): ProcessTable {
  return {
    self: () => ({ pid, startedAt: `boot/${pid}`, host: 'here' }),
    isAlive: (process) => alive.has(process.pid),
  }
}

export function openStore(
  fileSystem: FileSystem,
  pid: number,
  options: Partial<CheckpointStoreOptions> = {},
): Promise<CheckpointStore> {
  return CheckpointStore.open({
    directory: jobDirectory,
    jobName: 'test-job',
    fingerprint: 'fp',
    fileSystem,
    clock: { nowMs: () => 1_000, monotonicMs: () => 0 },
    processes: processTable(pid),
    randomId: () => '1'.repeat(32),
    numRetained: 1,
    ...options,
  })
}

/** Bytes that follow from a text: what was read back can be checked without a record of it. */
export function contentOf(name: string, bytesMax = 64): Uint8Array {
  const random = prng([...name].reduce((hash, char) => (Math.imul(hash, 31) + char.charCodeAt(0)) | 0, 7))
  return Uint8Array.from({ length: random.nextBelow(bytesMax) }, () => random.nextBelow(256))
}

export function metadataOf(
  checkpointId: number,
  subtasks: readonly OperatorSnapshot[],
  overrides: Partial<CheckpointMetadata> = {},
): CheckpointMetadata {
  return {
    formatVersion: 1,
    checkpointId,
    kind: 'checkpoint',
    mode: 'aligned',
    triggeredMs: 0,
    jobName: 'test-job',
    jobId: 'id',
    fingerprint: 'fp',
    operators: [
      {
        operatorId,
        name: 'op',
        uid: undefined,
        parallelism: subtasks.length,
        maxParallelism: 128,
        subtasks,
        ended: subtasks.map(() => false),
      },
    ],
    edges: [],
    ...overrides,
  }
}

/** Writes one subtask's files: one exclusive, one new shared, and the shared ones of `reused`. */
export async function writeSubtask(
  store: CheckpointStore,
  fileSystem: FileSystem,
  checkpointId: number,
  subtaskIndex: number,
  reused: readonly StoredFile[] = [],
): Promise<OperatorSnapshot> {
  const sink = openSnapshotSink({ ...store.location, checkpointId, operatorId, subtaskIndex, fileSystem })
  const chunks = (name: string): Uint8Array[] => {
    const path = name.startsWith('base')
      ? `shared/e${store.location.epoch}-c${checkpointId}-${operatorId}-${subtaskIndex}-${name}`
      : `checkpoints/chk-${checkpointId}/${operatorId}-${subtaskIndex}-${name}`
    const bytes = contentOf(path)
    return [bytes.subarray(0, 10), bytes.subarray(10)]
  }
  const files = [
    await sink.writeExclusive('delta', chunks('delta')),
    await sink.writeShared('base', chunks('base')),
    ...reused.map((file) => sink.reuse(file)),
  ]
  return {
    keyed: [{ backend: 'managed', formatVersion: 1, keyGroupRange: { first: 0, last: 127 }, files, meta: null }],
  }
}

export const sharedFilesOf = (snapshot: OperatorSnapshot | undefined): StoredFile[] =>
  (snapshot?.keyed ?? []).flatMap((handle) => handle.files.filter((file) => file.shared))
