import { expect, test } from 'vitest'
import { assignRestore } from '../../../src/checkpoint/assign-restore.ts'
import type { CheckpointMetadata, EdgeMetadata, OperatorSnapshot } from '../../../src/checkpoint/checkpoint-metadata.ts'
import type { CheckpointPlan } from '../../../src/checkpoint/checkpoint-plan.ts'
import { keyGroupRangeOf } from '../../../src/data/key-groups.ts'

const options = { allowNonRestoredState: false, directory: '/job' }
const bytes = (text: string): Uint8Array => Buffer.from(text)

function plan(parallelism: number, maxParallelism = 128, ids: [string, string] = ['src', 'agg']): CheckpointPlan {
  const vertex = (index: number, operatorId: string) => ({
    index,
    name: operatorId,
    parallelism,
    maxParallelism,
    isSource: index === 0,
    operators: [{ operatorId, name: operatorId, uid: operatorId }],
  })
  return {
    jobName: 'j',
    fingerprint: 'f',
    vertices: [vertex(0, ids[0]), vertex(1, ids[1])],
    edges: [edge(parallelism, ids)],
  }
}

function edge(parallelism: number, [source, target]: [string, string], partitioning = 'hash') {
  return {
    sourceOperatorId: source,
    targetOperatorId: target,
    inputIndex: 0 as const,
    sideOutput: undefined,
    partitioning,
    sourceParallelism: parallelism,
    targetParallelism: parallelism,
  }
}

function metadata(
  parallelism: number,
  of: (operatorId: string, index: number) => OperatorSnapshot,
  overrides: { ended?: boolean[]; channels?: EdgeMetadata['channels']; unassigned?: unknown[] } = {},
): CheckpointMetadata {
  const operator = (operatorId: string) => ({
    operatorId,
    name: operatorId,
    uid: operatorId,
    parallelism,
    maxParallelism: 128,
    subtasks: Array.from({ length: parallelism }, (_, index) => of(operatorId, index)),
    ended: overrides.ended ?? Array.from({ length: parallelism }, () => false),
    ...(operatorId === 'src' && { unassignedSplits: overrides.unassigned ?? [] }),
  })
  return {
    formatVersion: 1,
    checkpointId: 7,
    kind: 'checkpoint',
    mode: 'aligned',
    triggeredMs: 0,
    jobName: 'j',
    jobId: 'i',
    fingerprint: 'f',
    operators: [operator('src'), operator('agg')],
    edges: [{ ...edge(parallelism, ['src', 'agg']), channels: overrides.channels ?? [] }],
  }
}

const keyed = (parallelism: number, index: number): OperatorSnapshot => ({
  keyed: [
    {
      backend: 'heap',
      formatVersion: 1,
      keyGroupRange: keyGroupRangeOf(index, parallelism, 128),
      files: [{ path: `f${index}`, bytes: 0, crc32: 0, shared: false }],
      meta: null,
    },
  ],
})
const file = (path: string) => ({ path, bytes: 0, crc32: 0, shared: false })

for (const [from, to] of [
  [2, 2],
  [1, 4],
  [4, 2],
  [3, 5],
] as const) {
  test(`gives every key group of ${from} subtasks to the handles of ${to}`, () => {
    const restored = assignRestore(
      metadata(from, (id, i) => (id === 'agg' ? keyed(from, i) : {})),
      plan(to),
      options,
    )
    for (let index = 0; index < to; index++) {
      const { first, last } = keyGroupRangeOf(index, to, 128)
      const handles = restored.subtasks[`1:${index}`]!.operators['agg']!.keyed
      for (let group = first; group <= last; group++) {
        const covering = handles.filter(({ keyGroupRange: range }) => range.first <= group && group <= range.last)
        expect(covering).toHaveLength(1)
      }
      expect(handles.every(({ keyGroupRange: range }) => range.first <= last && range.last >= first)).toBe(true)
    }
  })
}

test('keeps splits and operator state in place at the same parallelism, and deals them out at another', () => {
  const of = (id: string, index: number): OperatorSnapshot =>
    id === 'src'
      ? { splits: [`${index}a`, `${index}b`] }
      : {
          operatorState: {
            lists: {
              even: { mode: 'split', items: [bytes(`${index}x`), bytes(`${index}y`)] },
              all: { mode: 'union', items: [bytes(`u${index}`)] },
              rules: { mode: 'broadcast', items: [bytes('r')] },
            },
          },
        }
  const stored = metadata(2, of, { unassigned: ['later'] })
  const same = assignRestore(stored, plan(2), options)
  expect(same.subtasks['0:1']?.operators['src']?.splits).toEqual(['1a', '1b'])
  expect(same.splitPools).toEqual({ 0: ['later'] })
  const wider = assignRestore(stored, plan(3), options)
  const lists = (index: number, name: string): string[] =>
    wider.subtasks[`1:${index}`]!.operators['agg']!.operatorState!.lists[name]!.items.map(String)
  expect([0, 1, 2].map((i) => wider.subtasks[`0:${i}`]!.operators['src']!.splits)).toEqual([
    ['0a', '1b'],
    ['0b'],
    ['1a'],
  ])
  expect([0, 1, 2].flatMap((i) => lists(i, 'even')).toSorted()).toEqual(
    ['0x', '0y', '1x', '1y'].map((text) => String(bytes(text))).toSorted(),
  )
  expect(lists(2, 'all')).toHaveLength(2)
  expect(lists(2, 'rules')).toHaveLength(1)
})

test('hands channel state to its reader in order: what the reader held, then what the writer held', () => {
  const channel = (sourceSubtask: number, targetSubtask: number, side: 'input' | 'output') => ({
    sourceSubtask,
    targetSubtask,
    side,
    batchCount: 1,
    file: file(`${sourceSubtask}-${targetSubtask}-${side}`),
  })
  const channels = [channel(0, 1, 'output'), channel(0, 1, 'input'), channel(1, 0, 'input')]
  const stored = metadata(2, () => ({}), { channels })
  const same = assignRestore(stored, plan(2), options).subtasks['1:1']!.channels
  expect(same).toEqual([
    { edgeIndex: 0, sourceSubtask: 0, files: [file('0-1-input'), file('0-1-output')], select: 'all' },
  ])
  const narrow = assignRestore(stored, plan(1), options).subtasks['1:0']!.channels
  expect(narrow).toMatchObject([
    { sourceSubtask: 0, select: 'mine', files: [file('0-1-input'), file('0-1-output'), file('1-0-input')] },
  ])
})

test('on a broadcast edge every subtask goes on with what was in flight to the one whose broadcast state it has', () => {
  const broadcast = (parallelism: number): CheckpointPlan => ({
    ...plan(parallelism),
    edges: [{ ...edge(parallelism, ['src', 'agg']), partitioning: 'broadcast' }],
  })
  const channel = (targetSubtask: number) => ({
    sourceSubtask: 0,
    targetSubtask,
    side: 'input' as const,
    batchCount: 1,
    file: file(`to ${targetSubtask}`),
  })
  const seen = (index: number): OperatorSnapshot => ({
    operatorState: { lists: { rules: { mode: 'broadcast', items: [bytes(`seen by ${index}`)] } } },
  })
  const stored = metadata(2, (id, i) => (id === 'agg' ? seen(i) : {}), { channels: [channel(0), channel(1)] })
  const inFlight = (parallelism: number, index: number): string[] =>
    assignRestore(stored, broadcast(parallelism), options).subtasks[`1:${index}`]!.channels.flatMap(({ files }) =>
      files.map(({ path }) => path),
    )
  expect([0, 1, 2].map((i) => inFlight(3, i))).toEqual([['to 0'], ['to 1'], ['to 0']])
  expect(inFlight(1, 0)).toEqual(['to 0'])
})

test('a subtask that had not yet heard of a broadcast state begins with none', () => {
  const seen: OperatorSnapshot = { operatorState: { lists: { rules: { mode: 'broadcast', items: [bytes('one')] } } } }
  const stored = metadata(2, (id, i) => (id === 'agg' && i === 0 ? seen : {}))
  const { subtasks } = assignRestore(stored, plan(2), options)
  expect(subtasks['1:1']!.operators['agg']!.operatorState?.lists['rules']?.items).toEqual([])
})

test('hands channel state of an edge that lies within a chain now to the chain', () => {
  const channel = (sourceSubtask: number, targetSubtask: number) => ({
    sourceSubtask,
    targetSubtask,
    side: 'input' as const,
    file: { path: `${sourceSubtask}-${targetSubtask}`, bytes: 0, crc32: 0, shared: false },
    batchCount: 1,
  })
  const taken = metadata(2, () => ({}), { channels: [channel(1, 0), channel(0, 1), channel(0, 0)] })
  const [source, target] = plan(1).vertices
  const fused: CheckpointPlan = {
    ...plan(1),
    vertices: [{ ...source!, operators: [...source!.operators, ...target!.operators] }],
    edges: [],
    chainedEdges: [edge(1, ['src', 'agg'])],
  }
  const { subtasks } = assignRestore(taken, fused, options)
  const chained = subtasks['0:0']?.chained
  expect(chained?.map(({ targetOperatorId, files }) => [targetOperatorId, files.map(({ path }) => path)])).toEqual([
    ['agg', ['0-0', '0-1', '1-0']],
  ])
})

test('restores as ended only those subtasks that had given everything', () => {
  const stored = metadata(2, (id, i) => (id === 'agg' ? keyed(2, i) : {}), { ended: [true, false] })
  const same = assignRestore(stored, plan(2), options)
  expect([0, 1].map((i) => same.subtasks[`1:${i}`]!.ended)).toEqual([true, false])
  const one = assignRestore(stored, plan(1), options).subtasks['1:0']!
  expect(one.ended).toBe(false)
  expect(one.operators['agg']!.keyed.map(({ files }) => files[0]?.path)).toEqual(['f1'])
  const all = assignRestore(
    metadata(2, () => ({}), { ended: [true, true] }),
    plan(3),
    options,
  )
  expect(all.subtasks['1:2']!.ended).toBe(true)
})

test('refuses state that no operator claims, unless it may be dropped', () => {
  const stored = metadata(1, (id, i) => (id === 'agg' ? keyed(1, i) : {}))
  const other = plan(1, 128, ['src', 'renamed'])
  expect(() => assignRestore(stored, other, options)).toThrow(/state of agg \(uid agg\)/)
  const restored = assignRestore(stored, other, { ...options, allowNonRestoredState: true })
  expect(restored.dropped).toEqual(['agg (uid agg)'])
  expect(restored.subtasks['1:0']).toBeUndefined()
})

test('refuses another max parallelism for keyed state', () => {
  const stored = metadata(1, (id, i) => (id === 'agg' ? keyed(1, i) : {}))
  expect(() => assignRestore(stored, plan(200, 256), options)).toThrow(/parallelism 200 is beyond that/)
  expect(() => assignRestore(stored, plan(2, 64), options)).toThrow(/has max parallelism 128/)
})
