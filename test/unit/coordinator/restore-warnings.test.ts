import { expect, test } from 'vitest'
import type { SubtaskRestore } from '../../../src/checkpoint/messages.ts'
import { restoreWarnings } from '../../../src/coordinator/restore-warnings.ts'
import { plan } from '../../plan/support.ts'
import { discard } from '../../../src/index.ts'

const job = plan((env) => {
  const source = env.fromSequence(1, 9)
  source
    .keyBy((n) => n % 3)
    .reduce((a, b) => a + b)
    .uid('sums')
    .name('sums')
    .sinkTo(discard())
})
const sums = job.vertices.flatMap(({ nodes }) => nodes).find(({ name }) => name === 'sums')!
const range = { first: 0, last: 127 }

function restored(formatVersion: number, layout: string | undefined): Record<string, SubtaskRestore> {
  const meta = layout === undefined ? null : { layout }
  const keyed = [{ backend: 'rocksdb', formatVersion, keyGroupRange: range, files: [], meta }] as const
  const rest = { operatorState: undefined, splits: [], writerStates: [], committables: [] }
  const operators = { [job.operatorIds.get(sums.id)!]: { keyed, ...rest } }
  const subtask: SubtaskRestore = { checkpointId: 3, directory: '/', operators, channels: [], ended: false }
  return { '1:0': subtask, '1:1': subtask }
}

test('tables of format 1 held no timers: one warning names the operators', () => {
  expect(restoreWarnings(job, restored(1, 'tables'))).toEqual([
    expect.stringMatching(/no timers: those of sums are not/),
  ])
})

test('what holds its timers is not warned of: tables of later formats, savepoints of any', () => {
  expect(restoreWarnings(job, restored(2, 'tables'))).toEqual([])
  expect(restoreWarnings(job, restored(1, undefined))).toEqual([])
  expect(restoreWarnings(job, {})).toEqual([])
})
