import { expect, test } from 'vitest'
import { types } from '../../../src/data/types.ts'
import { HeapOperatorState } from '../../../src/state/heap-operator-state.ts'

function restoredFrom(state: HeapOperatorState): HeapOperatorState {
  const restored = new HeapOperatorState()
  restored.restore(structuredClone(state.snapshot()!))
  return restored
}

test('lists and broadcast maps come back from a snapshot', () => {
  const state = new HeapOperatorState()
  state.listState<number>('offsets').addAll([1, 2.5, -0])
  state.unionListState('names', types.text()).add('ünï')
  state.broadcastState<string, { limit: number }>('rules').put('a', { limit: 3 })
  const again = restoredFrom(state)
  expect([...again.listState<number>('offsets').get()]).toEqual([1, 2.5, -0])
  expect([...again.unionListState('names', types.text()).get()]).toEqual(['ünï'])
  expect([...again.broadcastState('rules').entries()]).toEqual([['a', { limit: 3 }]])
})

test('a snapshot does not change with what the program does afterwards', () => {
  const state = new HeapOperatorState()
  const list = state.listState<number>('list')
  list.add(1)
  const snapshot = state.snapshot()!
  list.add(2)
  const restored = new HeapOperatorState()
  restored.restore(snapshot)
  expect([...restored.listState('list').get()]).toEqual([1])
})

test('a restored state that nobody declares is kept for the next snapshot', () => {
  const state = new HeapOperatorState()
  state.listState<number>('kept').add(7)
  expect([...restoredFrom(restoredFrom(state)).listState('kept').get()]).toEqual([7])
})

test('one name cannot be two kinds of state', () => {
  const state = new HeapOperatorState()
  state.listState('s')
  expect(() => state.broadcastState('s')).toThrow(expect.objectContaining({ code: 'MR_STATE_CONFLICT' }))
  expect(() => restoredFrom(state).unionListState('s')).toThrow(expect.objectContaining({ code: 'MR_STATE_CONFLICT' }))
})

test('keys of broadcast state are equal by value, and lists may be long', () => {
  const state = new HeapOperatorState()
  const rules = state.broadcastState<{ id: number }, string>('rules')
  rules.put({ id: 1 }, 'one')
  expect(rules.get({ id: 1 })).toBe('one')
  const list = state.listState<number>('long', types.int32())
  list.addAll(Array.from({ length: 150_000 }, (_, i) => i))
  const again = restoredFrom(state)
  expect(again.broadcastState<{ id: number }, string>('rules').get({ id: 1 })).toBe('one')
  expect([...again.broadcastState('rules').entries()]).toEqual([[{ id: 1 }, 'one']])
  expect([...again.listState<number>('long', types.int32()).get()].length).toBe(150_000)
  list.update([1])
  expect([...list.get()]).toEqual([1])
})

test('a changed program reads items by the types they were written with, and is refused where they do not fit', () => {
  const state = new HeapOperatorState()
  state.listState('rows', types.row({ id: types.int32(), name: types.text() })).add({ id: 1, name: 'one' })
  state.unionListState('numbers', types.float64()).add(1.5)
  state.broadcastState('limits', types.text(), types.int32()).put('a', 3)
  const evolved = restoredFrom(restoredFrom(state))
  const rows = evolved.listState('rows', types.row({ id: types.float64(), price: types.float64() }))
  expect([...rows.get()]).toEqual([{ id: 1, price: 0 }])
  expect([...evolved.broadcastState('limits', types.text(), types.float64()).entries()]).toEqual([['a', 3]])
  const refused = {
    code: 'MR_CHECKPOINT_INCOMPATIBLE',
    message: expect.stringMatching(/"numbers": expected text, .* holds float64/),
  }
  expect(() => restoredFrom(state).unionListState('numbers', types.text())).toThrow(expect.objectContaining(refused))
  expect(() => restoredFrom(state).broadcastState('limits', types.int32(), types.int32())).toThrow(/text/)
})
