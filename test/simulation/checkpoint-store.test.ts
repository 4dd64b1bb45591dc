/**
 * The store under power cuts at every operation of a forgetful disk: whatever was lost, the directory opens again with
 * the newest checkpoint that was completed, or the one before it had begun to complete, whole and never mixed.
 */
import { expect, test } from 'vitest'
import type { CheckpointStore } from '../../src/checkpoint/checkpoint-store.ts'
import { filesOf } from '../../src/checkpoint/checkpoint-metadata.ts'
import { openSnapshotSource } from '../../src/checkpoint/snapshot-files.ts'
import { type Prng, prng } from '../../src/common/prng.ts'
import type { StoredFile } from '../../src/state/snapshot-store.ts'
import { ForgetfulDisk, PowerCut } from '../../src/testing/forgetful-disk.ts'
import { contentOf, jobDirectory, metadataOf, openStore, sharedFilesOf, writeSubtask } from '../support/checkpoints.ts'

const schedules = process.env['MILLRACE_FULL'] === '1' ? 20_000 : 400
const firstSeed = Number(process.env['MILLRACE_SEED'] ?? 1)

/** What the outside world may rely on. */
interface Promised {
  /** Completed, and said so. */
  completed: number
  /** Asked to complete. */
  attempted: number
  savepoints: string[]
}

async function runProcess(disk: ForgetfulDisk, pid: number, random: Prng, promised: Promised): Promise<void> {
  const store = await openStore(disk, pid, { numRetained: 1 + random.nextBelow(2) })
  const restored = await store.latest({ fallBackToIntact: false, verify: 'full' })
  const restoredId = restored?.metadata.checkpointId ?? 0
  expect(restoredId).toBeGreaterThanOrEqual(promised.completed)
  expect(restoredId).toBeLessThanOrEqual(promised.attempted)
  if (restored !== undefined) {
    const source = openSnapshotSource(restored.root, disk)
    for (const file of filesOf(restored.metadata)) expect(await source.read(file)).toEqual(contentOf(file.path))
  }
  promised.completed = restoredId
  let base = (restored?.metadata.operators[0]?.subtasks ?? []).map(sharedFilesOf)
  for (let round = 0; round < 4; round++) base = await takeCheckpoint(store, disk, random, promised, base)
  if (random.nextBelow(2) === 0) await store.close()
}

async function takeCheckpoint(
  store: CheckpointStore,
  disk: ForgetfulDisk,
  random: Prng,
  promised: Promised,
  base: StoredFile[][],
): Promise<StoredFile[][]> {
  const id = store.nextCheckpointId()
  await store.begin(id)
  const subtasks = await Promise.all(
    [0, 1].map((index) => {
      const reused = (base[index] ?? []).filter(() => random.nextBelow(3) > 0)
      return writeSubtask(store, disk, id, index, reused)
    }),
  )
  const metadata = metadataOf(id, subtasks)
  if (random.nextBelow(5) === 0) {
    await store.abort(id)
    return base
  }
  if (random.nextBelow(4) === 0) {
    promised.savepoints.push(await store.writeSavepoint(metadata))
    await store.abort(id)
    return base
  }
  promised.attempted = id
  await store.complete(metadata)
  promised.completed = id
  await store.removeShared(await store.retain())
  return subtasks.map(sharedFilesOf)
}

async function runSchedule(seed: number): Promise<void> {
  const random = prng(seed)
  const options = (): { seed: number; slowTurnsMax: number } => ({ seed: random.nextUint32(), slowTurnsMax: 3 })
  let disk = new ForgetfulDisk(options())
  const promised: Promised = { completed: 0, attempted: 0, savepoints: [] }
  for (let pid = 1; pid <= 4; pid++) {
    disk.powerCutAt = 1 + random.nextBelow(350)
    try {
      await runProcess(disk, pid, random, promised)
    } catch (error) {
      // The store wraps what it did not expect; that must not hide anything but the power cut.
      let cause = error
      while (cause instanceof Error && !(cause instanceof PowerCut) && cause.cause !== undefined) cause = cause.cause
      if (!(cause instanceof PowerCut)) throw error
    }
    disk = disk.crash(options())
  }
  const store = await openStore(disk, 9)
  const latest = await store.latest({ fallBackToIntact: false, verify: 'full' })
  for (const path of promised.savepoints) {
    const imported = await store.importSavepoint(path)
    await store.verify(imported, 'full')
  }
  await store.close()
  const kept = new Set(
    store.completed.flatMap((one) => filesOf(one.metadata)).map((file) => `${jobDirectory}/${file.path}`),
  )
  const left = disk.files().filter((path) => !/(job\.json|_metadata)$|\/savepoints\//.test(path))
  if (latest !== undefined) expect(kept.size).toBeGreaterThan(0)
  expect(left.filter((path) => !kept.has(path))).toEqual([])
}

test(`survives power cuts at any operation, in ${schedules} schedules from seed ${firstSeed}`, async () => {
  for (let seed = firstSeed; seed < firstSeed + schedules; seed++) {
    try {
      await runSchedule(seed)
    } catch (error) {
      throw new Error(`seed ${seed} (MILLRACE_SEED=${seed} reproduces it)`, { cause: error })
    }
  }
}, 600_000)
