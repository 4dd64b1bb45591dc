/** Savepoints read and written by a program, and run by a job. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { operatorIdOf } from '../../../src/api/savepoint-reader.ts'
import { encodeMetadata } from '../../../src/checkpoint/checkpoint-layout.ts'
import type { EdgeMetadata } from '../../../src/checkpoint/checkpoint-metadata.ts'
import { readSavepoint } from '../../../src/checkpoint/savepoint.ts'
import { nodeFileSystem } from '../../../src/common/file-system.ts'
import { parametersOf } from '../../../src/common/parameters.ts'
import { executeJob } from '../../../src/coordinator/execute.ts'
import {
  bootstrapState,
  elements,
  job,
  type JobDefinition,
  type KeyedStateBootstrapFunction,
  type KeyedStateReaderFunction,
  type ListState,
  type MapState,
  SavepointReader,
  SavepointWriter,
  types,
  type ValueState,
  valueState,
} from '../../../src/index.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { committedValues, transactionSink } from '../../support/transaction-sink.ts'

interface Sum {
  readonly key: string
  readonly sum: number
}

class SumWriter implements KeyedStateBootstrapFunction<Sum> {
  #sum!: ValueState<number>
  open(state: Parameters<KeyedStateBootstrapFunction<Sum>['open']>[0]): void {
    this.#sum = state.getState(valueState('sum', types.float64()))
  }
  processElement({ sum }: Sum): void {
    this.#sum.update(sum)
  }
}

class SumReader implements KeyedStateReaderFunction<string, Sum> {
  #sum!: ValueState<number>
  open(state: Parameters<KeyedStateReaderFunction<string, Sum>['open']>[0]): void {
    this.#sum = state.getState(valueState('sum', types.float64()))
  }
  readKey(key: string, out: (value: Sum) => void): void {
    out({ key, sum: this.#sum.value()! })
  }
}

const made = Array.from({ length: 500 }, (_, n): Sum => ({ key: `key-${n}`, sum: n }))
const byKey = (a: Sum, b: Sum): number => a.sum - b.sum
const sums = bootstrapState(made)
  .keyBy(({ key }) => key)
  .transform(new SumWriter())

/** Adds 1,000 to the sum of each key it is given. */
function summing(out: string, keys: readonly string[]): JobDefinition {
  return job('summing', (env) => {
    let state: ValueState<number>
    env
      .source(elements(keys))
      .uid('keys')
      .keyBy((key) => key)
      .process({
        open: (context) => void (state = context.getState(valueState('sum', types.float64()))),
        processElement: (key: string, _context, collector) => {
          state.update((state.value() ?? 0) + 1_000)
          collector.collect({ key, sum: state.value()! })
        },
      })
      .uid('sums')
      .sinkTo(transactionSink(out))
      .uid('out')
  })
}

test('writes keyed state that can be read again and that a job starts from', async () => {
  const directory = temporaryDirectory()
  const path = join(directory, 'savepoint')
  await SavepointWriter.newSavepoint().withOperator('sums', sums).write(path)
  expect(readdirSync(directory)).toEqual(['savepoint'])
  const savepoint = await SavepointReader.read(path)
  expect(savepoint.operators()).toMatchObject([{ uid: 'sums', parallelism: 1, maxParallelism: 128 }])
  expect((await savepoint.readKeyedState('sums', new SumReader())).toSorted(byKey)).toEqual(made)
  const out = join(directory, 'out')
  const jobDir = join(directory, 'job')
  await executeJob({
    definition: summing(out, ['key-7', 'key-8', 'new']),
    parameters: parametersOf({}),
    parallelism: 1,
    configuration: { 'state.backend.type': 'heap' },
    jobDir,
    from: path,
  })
  expect((committedValues(out) as Sum[]).toSorted(byKey)).toEqual([
    { key: 'new', sum: 1_000 },
    { key: 'key-7', sum: 1_007 },
    { key: 'key-8', sum: 1_008 },
  ])
  const [checkpoint] = readdirSync(join(jobDir, 'checkpoints'))
  const after = await SavepointReader.read(join(jobDir, 'checkpoints', checkpoint!))
  expect(await after.readKeyedState('sums', new SumReader())).toHaveLength(501)
})

test('keeps, removes and renames what another savepoint holds', async () => {
  const directory = temporaryDirectory()
  const [first, second] = [join(directory, 'first'), join(directory, 'second')]
  await SavepointWriter.newSavepoint().withOperator('sums', sums).withOperator('doomed', sums).write(first)
  await SavepointWriter.fromExistingSavepoint(first)
    .removeOperator('doomed')
    .changeOperatorIdentifier('sums', 'renamed')
    .write(second)
  const savepoint = await SavepointReader.read(second)
  expect(savepoint.operators().map(({ uid }) => uid)).toEqual(['renamed'])
  expect((await savepoint.readKeyedState('renamed', new SumReader())).toSorted(byKey)).toEqual(made)
  await expect(savepoint.readKeyedState('sums', new SumReader())).rejects.toMatchObject({
    code: 'MR_CHECKPOINT_NOT_FOUND',
    message: expect.stringContaining('it holds renamed'),
  })
  expect((await SavepointReader.read(first)).operators()).toHaveLength(2)
})

test('what was in flight to an operator goes with its new name, and is gone with one that is removed', async () => {
  const directory = temporaryDirectory()
  const [first, second] = [join(directory, 'first'), join(directory, 'second')]
  const [source, kept, doomed] = ['source', 'kept', 'doomed'].map((uid) => operatorIdOf(uid)) as [
    string,
    string,
    string,
  ]
  await SavepointWriter.newSavepoint().withOperator('kept', sums).withOperator('doomed', sums).write(first)
  const { metadata } = await readSavepoint(nodeFileSystem, first)
  const edgeTo = (targetOperatorId: string): EdgeMetadata => ({
    sourceOperatorId: source,
    targetOperatorId,
    inputIndex: 0,
    sideOutput: undefined,
    partitioning: 'hash',
    sourceParallelism: 1,
    targetParallelism: 1,
    channels: [],
  })
  const inFlight = { ...metadata, edges: [edgeTo(kept), edgeTo(doomed)] }
  writeFileSync(join(first, '_metadata'), encodeMetadata(inFlight))
  await SavepointWriter.fromExistingSavepoint(first)
    .removeOperator('doomed')
    .changeOperatorIdentifier('kept', 'renamed')
    .write(second)
  const { edges } = (await readSavepoint(nodeFileSystem, second)).metadata
  expect(edges).toEqual([edgeTo(operatorIdOf('renamed'))])
})

test('writes and reads list, union and broadcast state', async () => {
  const path = join(temporaryDirectory(), 'savepoint')
  let list: ListState<number>
  let union: ListState<string>
  let rules: MapState<string, number>
  const state = bootstrapState([1, 2, 3]).transform({
    open(store) {
      list = store.listState('list', types.float64())
      union = store.unionListState('union')
      rules = store.broadcastState('rules', types.text(), types.float64())
    },
    processElement(n) {
      list.add(n)
      union.add(`u${n}`)
      rules.put(`r${n}`, n)
    },
  })
  await SavepointWriter.newSavepoint().withOperator('op', state).write(path)
  const savepoint = await SavepointReader.read(path)
  expect(await savepoint.readListState('op', 'list', types.float64())).toEqual([1, 2, 3])
  expect(await savepoint.readUnionState('op', 'union')).toEqual(['u1', 'u2', 'u3'])
  expect(new Map(await savepoint.readBroadcastState('op', 'rules', types.text(), types.float64()))).toEqual(
    new Map([
      ['r1', 1],
      ['r2', 2],
      ['r3', 3],
    ]),
  )
  await expect(savepoint.readListState('op', 'union')).rejects.toMatchObject({ code: 'MR_STATE_CONFLICT' })
})

test('refuses to overwrite, and leaves nothing where it fails', async () => {
  const directory = temporaryDirectory()
  const path = join(directory, 'savepoint')
  await SavepointWriter.newSavepoint().withOperator('sums', sums).write(path)
  await expect(SavepointWriter.newSavepoint().write(path)).rejects.toMatchObject({ code: 'MR_CHECKPOINT_FAILED' })
  const broken = bootstrapState([1]).transform({
    open: () => {},
    processElement() {
      throw new Error('as planned')
    },
  })
  const target = join(directory, 'broken')
  await expect(SavepointWriter.newSavepoint().withOperator('op', broken).write(target)).rejects.toThrow('as planned')
  expect(existsSync(target)).toBe(false)
  expect(readdirSync(directory)).toEqual(['savepoint'])
  await expect(SavepointReader.read(target)).rejects.toMatchObject({ code: 'MR_CHECKPOINT_NOT_FOUND' })
})
