/**
 * The contract of keyed state backends. Another backend runs it in two lines:
 *
 *   keyedStateBackendContract('mine', (options) => openMyBackend(options))
 *
 * `open` may be asynchronous; every backend that was opened is closed at the end of its test.
 */
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { codeOf } from '../../src/common/errors.ts'
import { keyGroupOf, keyGroupRangeOf } from '../../src/data/key-groups.ts'
import { type TypeInformation, types } from '../../src/data/types.ts'
import type { KeyedStateBackend, KeyedStateHandle } from '../../src/state/keyed-state-backend.ts'
import { KeyClass } from '../../src/state/key-class.ts'
import type { KeyedBackendOptions } from '../../src/state/keyed-backend-base.ts'
import { BlockBuilder, BlockOp, keyCodecs } from '../../src/state/snapshot-layout.ts'
import type { SnapshotPart } from '../../src/state/snapshot-part.ts'
import type { StateBudget } from '../../src/state/state-budget.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { MemorySnapshotStore } from '../support/memory-snapshot-store.ts'
import { applyTo, commandArbitrary, ModelBackend } from './keyed-state-model.ts'

export type OpenBackend = (options: KeyedBackendOptions) => KeyedStateBackend | Promise<KeyedStateBackend>

export interface ContractOptions {
  /** False for backends that spill instead of refusing when over budget. Default true. */
  readonly refusesOverBudget?: boolean
  /** False for backends whose increments may hold what did not change (engines that compact). Default true. */
  readonly isIncremental?: boolean
  /** Runs of each property. Default 60, or 1000 with MILLRACE_FULL=1. */
  readonly propertyRuns?: number
}

const maxParallelism = 128

export function keyedStateBackendContract(name: string, open: OpenBackend, options: ContractOptions = {}): void {
  const opened: KeyedStateBackend[] = []
  const clock = new FakeClock()
  const numRuns = options.propertyRuns ?? (process.env['MILLRACE_FULL'] === '1' ? 1000 : 60)

  async function backend(part: Partial<KeyedBackendOptions> = {}): Promise<KeyedStateBackend> {
    const keyGroupRange = { first: 0, last: maxParallelism - 1 }
    const made = await open({ keyGroupRange, maxParallelism, clock, ...part })
    opened.push(made)
    return made
  }

  /** Snapshots, tells the backend that the checkpoint is complete, and returns the handle. */
  async function checkpoint(
    from: KeyedStateBackend,
    id: number,
    store: MemorySnapshotStore,
  ): Promise<KeyedStateHandle> {
    const handle = await from.snapshot(id, store)
    from.notifyCheckpointComplete(id)
    return structuredClone(handle)
  }

  async function restored(
    handles: readonly KeyedStateHandle[],
    store: MemorySnapshotStore,
    part: Partial<KeyedBackendOptions> = {},
  ): Promise<KeyedStateBackend> {
    const made = await backend(part)
    await made.restore(handles, store)
    return made
  }

  describe(`keyed state backend ${name}`, () => {
    afterEach(async () => {
      for (const each of opened.splice(0)) await each.close()
    })

    describe('value state', () => {
      it('holds a value per key', async () => {
        const b = await backend()
        const state = b.value<number>({ kind: 'value', name: 'count' })
        for (let key = 0; key < 100; key++) {
          b.setCurrentKey(key)
          expect(state.value()).toBeUndefined()
          state.update(key * 2)
          expect(state.value()).toBe(key * 2)
        }
        for (let key = 0; key < 100; key++) {
          b.setCurrentKey(key)
          expect(state.value()).toBe(key * 2)
        }
        b.setCurrentKey(7)
        state.clear()
        expect(state.value()).toBeUndefined()
        expect(b.entryCount()).toBe(99)
      })

      it('tells keys of all types apart, and finds equal ones', async () => {
        const b = await backend()
        const state = b.value<string>({ kind: 'value', name: 'name' })
        const keys: unknown[] = [
          0,
          1,
          -1,
          1.5,
          2 ** 31,
          2 ** 40,
          -(2 ** 31),
          1e300,
          Number.NaN,
          Infinity,
          1n,
          -1n,
          2n ** 63n - 1n,
          2n ** 70n,
          '',
          '1',
          'a',
          'ä',
          '\u0000',
          '日本',
          '\ud800',
          'x'.repeat(1000),
          true,
          false,
          new Date(5),
          new Uint8Array([1]),
          new Uint8Array([1, 2]),
          { a: 1 },
          { a: 2 },
          { b: 1 },
          { a: 1, b: 'x' },
          [1],
          [1, 2],
          ['1'],
          { a: { b: [1] } },
        ]
        keys.forEach((key, i) => {
          b.setCurrentKey(key)
          expect(state.value()).toBeUndefined()
          state.update(`value ${i}`)
        })
        keys.forEach((key, i) => {
          b.setCurrentKey(typeof key === 'object' ? structuredClone(key) : key)
          expect(state.value()).toBe(`value ${i}`)
        })
        b.setCurrentKey({ b: 'x', a: 1 })
        expect(state.value()).toBe(`value ${keys.findIndex((key) => (key as { b?: string }).b === 'x')}`)
        b.setCurrentKey(-0)
        expect(state.value()).toBe('value 0')
        const seen: unknown[] = []
        b.forEachKey('name', (key) => seen.push(key))
        expect(seen.length).toBe(keys.length)
        expect(new Set(seen.map((key) => keys.findIndex((other) => deepSame(key, other)))).size).toBe(keys.length)
      })

      it.each([
        ['float64', types.float64(), [0, -0.5, 1e300, Number.NaN, Infinity, 2 ** 53]],
        ['int32', types.int32(), [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)]],
        ['int64', types.int64(), [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n)]],
        ['bool', types.bool(), [true, false]],
        ['timestamp', types.timestamp(), [0, 1_700_000_000_000]],
        ['text', types.text(), ['', 'a', 'ä', '日本', 'y'.repeat(500)]],
        ['bytes', types.bytes(), [new Uint8Array([]), new Uint8Array([1, 2, 3])]],
        ['decimal', types.decimal(30, 2), [0n, 10n ** 29n]],
        ['nullable', types.nullable(types.float64()), [null, 5]],
        ['list', types.list(types.int32()), [[], [1, 2, 3]]],
        [
          'row',
          types.row({ a: types.int32(), b: types.float64(), c: types.int64(), d: types.bool() }),
          [
            { a: 1, b: 2.5, c: 3n, d: true },
            { a: -1, b: 0, c: -3n, d: false },
          ],
        ],
        ['row with text', types.row({ a: types.int32(), t: types.text() }), [{ a: 1, t: 'x' }]],
        ['generic', types.generic(), [null, 'a', 1, { a: [1, { b: new Date(3) }] }, new Map([[1, 2]])]],
      ] as [string, TypeInformation<unknown>, unknown[]][])(
        'keeps values of type %s, also over a snapshot',
        async (_, type, values) => {
          const b = await backend()
          const state = b.value<unknown>({ kind: 'value', name: 'v', type })
          values.forEach((value, key) => {
            b.setCurrentKey(key)
            state.update(value)
          })
          values.forEach((value, key) => {
            b.setCurrentKey(key)
            expect(state.value()).toStrictEqual(value)
          })
          const store = new MemorySnapshotStore()
          const b2 = await restored([await checkpoint(b, 1, store)], store)
          const again = b2.value<unknown>({ kind: 'value', name: 'v', type })
          values.forEach((value, key) => {
            b2.setCurrentKey(key)
            expect(again.value()).toStrictEqual(value)
          })
        },
      )

      it('clears by an update with undefined', async () => {
        const b = await backend()
        const state = b.value<number | undefined>({ kind: 'value', name: 'v' })
        b.setCurrentKey('k')
        state.update(1)
        state.update(undefined)
        expect(state.value()).toBeUndefined()
        expect(b.entryCount()).toBe(0)
      })

      it('keeps states and namespaces apart', async () => {
        const b = await backend()
        const left = b.value<number>({ kind: 'value', name: 'left', type: types.float64() })
        const right = b.value<number>({ kind: 'value', name: 'right', type: types.float64() })
        b.setCurrentKey(1)
        left.update(10)
        expect(right.value()).toBeUndefined()
        right.update(20)
        b.setCurrentNamespace(5)
        expect(left.value()).toBeUndefined()
        left.update(11)
        b.setCurrentNamespace('w:5')
        expect(left.value()).toBeUndefined()
        left.update(12)
        b.setCurrentNamespace(0)
        expect([left.value(), right.value()]).toEqual([10, 20])
        b.setCurrentNamespace(5)
        expect(left.value()).toBe(11)
      })

      it('follows the key after another state object of the same name removed the entry', async () => {
        const b = await backend()
        const one = b.value<number>({ kind: 'value', name: 'v', type: types.int32() })
        const two = b.value<number>({ kind: 'value', name: 'v', type: types.int32() })
        b.setCurrentKey(1)
        one.update(1)
        expect(two.value()).toBe(1)
        two.clear()
        expect(one.value()).toBeUndefined()
        one.update(2)
        expect(two.value()).toBe(2)
      })

      it('grows and shrinks over many keys', async () => {
        const b = await backend()
        const state = b.value<number>({ kind: 'value', name: 'v', type: types.float64() })
        for (const round of [1, 2, 3]) {
          for (let key = 0; key < 20_000; key++) {
            b.setCurrentKey(key * 7)
            expect(state.value()).toBeUndefined()
            state.update(key * round)
          }
          expect(b.entryCount()).toBe(20_000)
          for (let key = 0; key < 20_000; key++) {
            b.setCurrentKey(key * 7)
            if (state.value() !== key * round) expect(state.value()).toBe(key * round)
            state.clear()
          }
          expect(b.entryCount()).toBe(0)
        }
      })
    })

    describe('list, map, reducing and aggregating state', () => {
      it('lists', async () => {
        const b = await backend()
        const list = b.list<string>({ kind: 'list', name: 'l', type: types.text() })
        b.setCurrentKey('a')
        expect([...list.get()]).toEqual([])
        list.add('1')
        list.addAll(['2', '3'])
        expect([...list.get()]).toEqual(['1', '2', '3'])
        b.setCurrentKey('b')
        expect([...list.get()]).toEqual([])
        list.update(['x'])
        b.setCurrentKey('a')
        list.update(['9'])
        expect([...list.get()]).toEqual(['9'])
        list.update([])
        expect([...list.get()]).toEqual([])
        expect(b.entryCount()).toBe(1)
        b.setCurrentKey('b')
        list.clear()
        expect([...list.get()]).toEqual([])
        expect(() => list.add(undefined as never)).toThrow()
      })

      it('maps, with keys of any type', async () => {
        const b = await backend()
        const map = b.map<unknown, number>({ kind: 'map', name: 'm', valueType: types.float64() })
        b.setCurrentKey(1)
        expect(map.isEmpty()).toBe(true)
        map.put('a', 1)
        map.put(1, 2)
        map.put({ x: 1 }, 3)
        map.put('\u0000odd', 4)
        map.putAll([
          [1.5, 5],
          [2n, 6],
        ])
        expect(map.get('a')).toBe(1)
        expect(map.get({ x: 1 })).toBe(3)
        expect(map.contains({ x: 2 })).toBe(false)
        expect(map.contains('\u0000odd')).toBe(true)
        const entries = [...map.entries()]
        expect(entries.length).toBe(6)
        expect(entries).toContainEqual([{ x: 1 }, 3])
        expect(entries).toContainEqual(['\u0000odd', 4])
        expect([...map.keys()]).toContainEqual(2n)
        expect([...map.values()].toSorted()).toEqual([1, 2, 3, 4, 5, 6])
        map.remove('a')
        expect(map.get('a')).toBeUndefined()
        for (const key of map.keys()) map.remove(key)
        expect(map.isEmpty()).toBe(true)
        expect(b.entryCount()).toBe(0)
        map.put(1, 1)
        b.setCurrentKey(2)
        expect(map.isEmpty()).toBe(true)
        b.setCurrentKey(1)
        map.clear()
        expect(map.isEmpty()).toBe(true)
      })

      it('reduces and aggregates', async () => {
        const b = await backend()
        const sum = b.reducing<number>({
          kind: 'reducing',
          name: 'sum',
          type: types.float64(),
          reduce: (x, y) => x + y,
        })
        const average = b.aggregating<number, { n: number; s: number }, number>({
          kind: 'aggregating',
          name: 'avg',
          accumulatorType: types.row({ n: types.int32(), s: types.float64() }),
          aggregate: {
            createAccumulator: () => ({ n: 0, s: 0 }),
            add: (value, acc) => {
              acc.n++
              acc.s += value
              return acc
            },
            getResult: (acc) => acc.s / acc.n,
          },
        })
        for (let i = 0; i < 30; i++) {
          b.setCurrentKey(i % 3)
          sum.add(i)
          average.add(i)
        }
        b.setCurrentKey(1)
        expect(sum.get()).toBe(145)
        expect(average.get()).toBe(14.5)
        sum.clear()
        average.clear()
        expect([sum.get(), average.get()]).toEqual([undefined, undefined])
      })
    })

    describe('accumulators by namespace', () => {
      for (const [typeName, type] of [
        ['float64', types.float64()],
        ['objects', undefined],
      ] as const) {
        it(`visits, drops and merges namespaces (${typeName})`, async () => {
          const b = await backend()
          const acc = b.accumulators<number>('acc', type)
          for (const namespace of [1000, 2000, 'x']) {
            b.setCurrentNamespace(namespace)
            for (let key = 0; key < 50; key++) {
              b.setCurrentKey(key)
              acc.set((acc.get() ?? 0) + key)
            }
          }
          expect([...acc.namespaces()].toSorted()).toEqual([1000, 2000, 'x'])
          b.setCurrentKey(7)
          b.setCurrentNamespace(1000)
          const seen = new Map<unknown, number>()
          acc.forEachKey(2000, (key, value) => void seen.set(key, value))
          expect(seen.size).toBe(50)
          expect(seen.get(49)).toBe(49)
          expect(acc.get()).toBe(7)
          let visits = 0
          acc.forEachKey(2000, () => ++visits < 3)
          expect(visits).toBe(3)
          const cursor = acc.openCursor('x')
          let walked = 0
          while (cursor.next()) walked += cursor.accumulator === cursor.key ? 1 : 100
          expect(walked).toBe(50)
          expect(acc.openCursor('none').next()).toBe(false)
          acc.mergeNamespaces(1000, 2000, (left, right) => left + right)
          expect(acc.get()).toBe(14)
          b.setCurrentNamespace(2000)
          expect(acc.get()).toBeUndefined()
          acc.mergeNamespaces(3000, 1000, (left, right) => left + right)
          b.setCurrentNamespace(3000)
          expect(acc.get()).toBe(14)
          acc.mergeNamespaces(3000, 4000, (left, right) => left + right)
          expect(acc.get()).toBe(14)
          acc.dropNamespace('x')
          expect([...acc.namespaces()].toSorted()).toEqual([1000, 2000, 3000])
          b.setCurrentNamespace('x')
          expect(acc.get()).toBeUndefined()
          acc.set(1)
          expect(acc.get()).toBe(1)
          acc.clear()
          expect([...acc.namespaces()]).not.toContain('x')
          expect(b.entryCount()).toBe(49 + 49 + 1)
        })
      }

      it('keeps a namespace that is dropped and made again apart from the old one', async () => {
        const b = await backend()
        const acc = b.accumulators<number>('acc', types.float64())
        b.setCurrentKey(1)
        b.setCurrentNamespace(10)
        acc.set(1)
        acc.dropNamespace(10)
        expect(acc.get()).toBeUndefined()
        acc.set(2)
        expect(acc.get()).toBe(2)
        expect(b.entryCount()).toBe(1)
      })
    })

    describe('refusals', () => {
      it('refuses null and undefined keys, and access without a key', async () => {
        const b = await backend()
        expect(thrown(() => b.setCurrentKey(null))).toBe('MR_STATE_NO_KEY')
        expect(thrown(() => b.setCurrentKey(undefined))).toBe('MR_STATE_NO_KEY')
        const state = b.value<number>({ kind: 'value', name: 'v', type: types.float64() })
        expect(thrown(() => state.value())).toBe('MR_STATE_NO_KEY')
        expect(thrown(() => state.update(1))).toBe('MR_STATE_NO_KEY')
      })

      it('refuses to insert a key of a foreign key group', async () => {
        const range = keyGroupRangeOf(0, 2, maxParallelism)
        const b = await backend({ keyGroupRange: range })
        const state = b.value<number>({ kind: 'value', name: 'v' })
        const foreign = [1, 2, 3, 4, 5, 6, 7, 8, 9].find((key) => keyGroupOf(key, maxParallelism) > range.last)!
        const insert = (): void => {
          b.setCurrentKey(foreign)
          state.update(1)
        }
        expect(thrown(insert)).toBe('MR_STATE_KEY_GROUP')
        expect(b.entryCount()).toBe(0)
        const own = [1, 2, 3, 4, 5, 6, 7, 8, 9].find((key) => keyGroupOf(key, maxParallelism) <= range.last)!
        b.setCurrentKey(own)
        expect(b.currentKeyGroup()).toBe(keyGroupOf(own, maxParallelism))
        state.update(1)
        expect(state.value()).toBe(1)
      })

      it('refuses a name that is declared with another kind or type', async () => {
        const b = await backend()
        b.value<number>({ kind: 'value', name: 'v', type: types.float64() })
        expect(thrown(() => b.list({ kind: 'list', name: 'v', type: types.float64() }))).toBe('MR_STATE_CONFLICT')
        expect(thrown(() => b.value({ kind: 'value', name: 'v', type: types.int32() }))).toBe('MR_STATE_CONFLICT')
        expect(thrown(() => b.value({ kind: 'value', name: 'v', type: types.float64() }))).toBeUndefined()
        b.map({ kind: 'map', name: 'm', keyType: types.text() })
        expect(thrown(() => b.map({ kind: 'map', name: 'm', keyType: types.int32() }))).toBe('MR_STATE_CONFLICT')
      })

      it('charges its budget and gives everything back', async () => {
        const budget = new CountingBudget(1e9)
        const b = await backend({ budget })
        const state = b.value<number>({ kind: 'value', name: 'v', type: types.float64() })
        for (let key = 0; key < 10_000; key++) {
          b.setCurrentKey(key)
          state.update(key)
        }
        expect(b.usedBytes()).toBeGreaterThan(10_000 * 8)
        expect(budget.usedBytes).toBeGreaterThanOrEqual(b.usedBytes())
        await b.close()
        expect(budget.usedBytes).toBe(0)
      })

      it.skipIf(options.refusesOverBudget === false)('refuses what exceeds its budget, and goes on', async () => {
        for (const type of [types.float64(), undefined]) {
          const b = await backend({ budget: new CountingBudget(2_000_000) })
          const state = b.value<unknown>({ kind: 'value', name: 'v', type })
          let code: string | undefined
          let key = 0
          for (; code === undefined && key < 500_000; key++) {
            b.setCurrentKey(key)
            code = thrown(() => state.update(key))
          }
          expect(code).toBe('MR_STATE_OVER_BUDGET')
          for (let k = 0; k < key - 1; k++) {
            b.setCurrentKey(k)
            expect(state.value()).toBe(k)
            state.clear()
          }
          b.setCurrentKey(1)
          state.update(5)
          expect(state.value()).toBe(5)
        }
      })
    })

    describe('time to live', () => {
      const ttl = { ttlMs: 100 }

      it('expires values since their last write', async () => {
        const b = await backend()
        const state = b.value<number>({ kind: 'value', name: 'v', type: types.float64(), ttl })
        b.setCurrentKey(1)
        state.update(5)
        clock.advance(99)
        expect(state.value()).toBe(5)
        clock.advance(1)
        expect(state.value()).toBeUndefined()
        state.update(6)
        clock.advance(60)
        state.update(7)
        clock.advance(60)
        expect(state.value()).toBe(7)
      })

      it('counts anew on reads where it is asked to', async () => {
        const b = await backend()
        const state = b.value<number>({ kind: 'value', name: 'v', ttl: { ...ttl, updateType: 'onReadAndWrite' } })
        b.setCurrentKey(1)
        state.update(5)
        for (let i = 0; i < 5; i++) {
          clock.advance(60)
          expect(state.value()).toBe(5)
        }
        clock.advance(100)
        expect(state.value()).toBeUndefined()
      })

      it('returns an expired value once where it is asked to', async () => {
        const b = await backend()
        const state = b.value<number>({
          kind: 'value',
          name: 'v',
          ttl: { ...ttl, visibility: 'returnExpiredIfNotCleanedUp', incrementalCleanup: { cleanupSize: 0 } },
        })
        b.setCurrentKey(1)
        state.update(5)
        clock.advance(500)
        expect(state.value()).toBe(5)
        expect(state.value()).toBeUndefined()
      })

      it('expires elements of lists and entries of maps one by one', async () => {
        const b = await backend()
        const list = b.list<number>({ kind: 'list', name: 'l', type: types.float64(), ttl })
        const map = b.map<string, number>({ kind: 'map', name: 'm', ttl })
        b.setCurrentKey(1)
        list.add(1)
        map.put('a', 1)
        clock.advance(60)
        list.add(2)
        map.put('b', 2)
        expect([...list.get()]).toEqual([1, 2])
        clock.advance(60)
        expect([...list.get()]).toEqual([2])
        expect([...map.entries()]).toEqual([['b', 2]])
        expect(map.contains('a')).toBe(false)
        clock.advance(60)
        expect([...list.get()]).toEqual([])
        expect(map.isEmpty()).toBe(true)
      })

      it('expires reducing and aggregating state', async () => {
        const b = await backend()
        const sum = b.reducing<number>({ kind: 'reducing', name: 's', reduce: (x, y) => x + y, ttl })
        b.setCurrentKey(1)
        sum.add(1)
        sum.add(2)
        expect(sum.get()).toBe(3)
        clock.advance(100)
        expect(sum.get()).toBeUndefined()
        sum.add(4)
        expect(sum.get()).toBe(4)
      })

      it('cleans up a few expired entries with every access, and per record', async () => {
        for (const runPerRecord of [false, true]) {
          const b = await backend()
          const state = b.value<number>({
            kind: 'value',
            name: 'v',
            type: types.float64(),
            ttl: { ...ttl, incrementalCleanup: { cleanupSize: 10, runPerRecord } },
          })
          for (let key = 0; key < 100; key++) {
            b.setCurrentKey(key)
            state.update(key)
          }
          clock.advance(100)
          for (let i = 0; i < 50; i++) {
            b.setCurrentKey(1000)
            if (!runPerRecord) state.value()
          }
          expect(b.entryCount()).toBe(0)
        }
      })

      it('leaves expired values out of full snapshots, and keeps the time over a restore', async () => {
        const b = await backend()
        const descriptor = {
          kind: 'value',
          name: 'v',
          type: types.float64(),
          ttl: { ttlMs: 100, incrementalCleanup: { cleanupSize: 0 } },
        } as const
        const state = b.value<number>(descriptor)
        b.setCurrentKey(1)
        state.update(1)
        clock.advance(60)
        b.setCurrentKey(2)
        state.update(2)
        clock.advance(60)
        const store = new MemorySnapshotStore()
        const b2 = await restored([await checkpoint(b, 1, store)], store)
        const again = b2.value<number>(descriptor)
        expect(b2.entryCount()).toBe(1)
        b2.setCurrentKey(2)
        expect(again.value()).toBe(2)
        clock.advance(40)
        expect(again.value()).toBeUndefined()
      })

      it('may be switched on and off between runs', async () => {
        const b = await backend()
        const plain = b.value<number>({ kind: 'value', name: 'v', type: types.float64() })
        b.setCurrentKey(1)
        plain.update(1)
        const store = new MemorySnapshotStore()
        const on = await restored([await checkpoint(b, 1, store)], store)
        const timed = on.value<number>({ kind: 'value', name: 'v', type: types.float64(), ttl })
        on.setCurrentKey(1)
        expect(timed.value()).toBe(1)
        const store2 = new MemorySnapshotStore()
        const off = await restored([await checkpoint(on, 1, store2)], store2)
        const again = off.value<number>({ kind: 'value', name: 'v', type: types.float64() })
        clock.advance(1000)
        off.setCurrentKey(1)
        expect(again.value()).toBe(1)
        on.setCurrentKey(1)
        expect(timed.value()).toBeUndefined()
      })
    })

    describe('snapshots', () => {
      it('hold the state as it was when the snapshot began, whatever happens while it is written', async () => {
        const b = await backend()
        const counts = b.value<number>({ kind: 'value', name: 'n', type: types.float64() })
        const objects = b.value<{ n: number }>({ kind: 'value', name: 'o' })
        const windows = b.accumulators<number>('w', types.float64())
        const keyCount = 2000
        for (let key = 0; key < keyCount; key++) {
          b.setCurrentKey(key)
          b.setCurrentNamespace(0)
          counts.update(key)
          objects.update({ n: key })
          b.setCurrentNamespace(100)
          windows.set(key)
        }
        const store = new MemorySnapshotStore()
        const change = (by: number): void => {
          b.setCurrentNamespace(0)
          for (let key = 0; key < keyCount; key += 3) {
            b.setCurrentKey(key)
            counts.update(counts.value()! + by)
            objects.value()!.n += by
            objects.update(objects.value()!)
          }
          for (let key = 1; key < 200; key += 3) {
            b.setCurrentKey(key)
            counts.clear()
            counts.update(-1)
          }
          b.setCurrentKey(5_000_000 + by)
          counts.update(1)
        }
        const first = b.snapshot(1, store)
        change(1000)
        windows.dropNamespace(100)
        const one = await first
        b.notifyCheckpointComplete(1)
        const second = b.snapshot(2, store)
        change(2000)
        const two = await second
        const b1 = await restored([one], store)
        expectCounts(b1, keyCount, 0)
        const w1 = b1.accumulators<number>('w', types.float64())
        b1.setCurrentNamespace(100)
        b1.setCurrentKey(8)
        expect(w1.get()).toBe(8)
        const b2 = await restored([two], store)
        expectCounts(b2, keyCount, 1000)
        const w2 = b2.accumulators<number>('w', types.float64())
        expect([...w2.namespaces()]).toEqual([])
        expect(b2.entryCount()).toBe(2 * keyCount + 1)
      })

      it('write only what changed, once a checkpoint is complete', async () => {
        const b = await backend()
        const state = b.value<number>({ kind: 'value', name: 'n', type: types.float64() })
        for (let key = 0; key < 10_000; key++) {
          b.setCurrentKey(key)
          state.update(key)
        }
        const store = new MemorySnapshotStore()
        await checkpoint(b, 1, store)
        const fullBytes = store.bytesWritten
        let handle: KeyedStateHandle | undefined
        for (let id = 2; id <= 5; id++) {
          for (let key = 0; key < 100; key++) {
            b.setCurrentKey(key * 50 + id)
            state.update(id)
          }
          handle = await checkpoint(b, id, store)
        }
        if (options.isIncremental !== false) expect(store.bytesWritten - fullBytes).toBeLessThan(fullBytes * 0.12)
        const again = await restored([handle!], store)
        const restoredState = again.value<number>({ kind: 'value', name: 'n', type: types.float64() })
        expect(again.entryCount()).toBe(10_000)
        for (let key = 0; key < 10_000; key++) {
          again.setCurrentKey(key)
          const id = key % 50
          const expected = id >= 2 && id <= 5 && key < 5000 ? id : key
          if (restoredState.value() !== expected) expect([key, restoredState.value()]).toEqual([key, expected])
        }
      })

      it('lose nothing when a checkpoint is aborted or its write fails', async () => {
        const b = await backend()
        const state = b.value<number>({ kind: 'value', name: 'n', type: types.float64() })
        const set = (key: number, value: number): void => {
          b.setCurrentKey(key)
          state.update(value)
        }
        for (let key = 0; key < 10; key++) set(key, 0)
        const store = new MemorySnapshotStore()
        await checkpoint(b, 1, store)
        set(1, 1)
        b.setCurrentKey(9)
        state.clear()
        await b.snapshot(2, store)
        b.notifyCheckpointAborted(2)
        set(2, 2)
        store.failNextWrite = new Error('disk full')
        await expect(b.snapshot(3, store)).rejects.toThrow('disk full')
        set(3, 3)
        const handle = await b.snapshot(4, store)
        const again = await restored([handle], store)
        const read = again.value<number>({ kind: 'value', name: 'n', type: types.float64() })
        const values = Array.from({ length: 10 }, (_, key) => {
          again.setCurrentKey(key)
          return read.value()
        })
        expect(values).toEqual([0, 1, 2, 3, 0, 0, 0, 0, 0, undefined])
      })

      it('lose nothing when a checkpoint is confirmed only after the next one was taken', async () => {
        const b = await backend()
        const state = b.value<number>({ kind: 'value', name: 'n', type: types.float64() })
        const set = (namespace: number, key: string): void => {
          b.setCurrentNamespace(namespace)
          b.setCurrentKey(key)
          state.update(namespace)
        }
        const store = new MemorySnapshotStore()
        set(1, 'a')
        await b.snapshot(1, store)
        set(2, 'a')
        await b.snapshot(2, store)
        b.notifyCheckpointComplete(1)
        set(3, 'a')
        const again = await restored([await b.snapshot(3, store)], store)
        const read = again.value<number>({ kind: 'value', name: 'n', type: types.float64() })
        again.setCurrentKey('a')
        const values = [1, 2, 3].map((namespace) => {
          again.setCurrentNamespace(namespace)
          return read.value()
        })
        expect(values).toEqual([1, 2, 3])
      })

      it('as savepoints contain everything and leave increments alone', async () => {
        const b = await backend()
        const state = b.value<number>({ kind: 'value', name: 'n', type: types.float64() })
        for (let key = 0; key < 100; key++) {
          b.setCurrentKey(key)
          state.update(key)
        }
        const store = new MemorySnapshotStore()
        await checkpoint(b, 1, store)
        b.setCurrentKey(1)
        state.update(-1)
        const elsewhere = new MemorySnapshotStore()
        const savepoint = await b.snapshot(2, elsewhere, { isSavepoint: true })
        b.notifyCheckpointComplete(2)
        const handle = await checkpoint(b, 3, store)
        for (const [files, from] of [
          [savepoint, elsewhere],
          [handle, store],
        ] as const) {
          const again = await restored([files], from)
          const read = again.value<number>({ kind: 'value', name: 'n', type: types.float64() })
          expect(again.entryCount()).toBe(100)
          again.setCurrentKey(1)
          expect(read.value()).toBe(-1)
        }
      })

      it('hold what lives beside the state, such as timers, in checkpoints and savepoints', async () => {
        const b = await backend()
        const state = b.value<number>({ kind: 'value', name: 'n', type: types.float64() })
        b.addSnapshotPart('numbers', partOf([1, 2, 3]))
        b.setCurrentKey(1)
        state.update(1)
        const store = new MemorySnapshotStore()
        const elsewhere = new MemorySnapshotStore()
        const handle = await checkpoint(b, 1, store)
        const savepoint = await b.snapshot(2, elsewhere, { isSavepoint: true })
        for (const [one, from] of [
          [handle, store],
          [savepoint, elsewhere],
        ] as const) {
          const again = await restored([one], from)
          const loaded: number[] = []
          again.addSnapshotPart('numbers', partOf(loaded))
          expect(loaded).toEqual([1, 2, 3])
          expect(again.entryCount()).toBe(1)
        }
      })

      it('of an empty backend can be restored', async () => {
        const b = await backend()
        const store = new MemorySnapshotStore()
        const again = await restored([await checkpoint(b, 1, store), await checkpoint(b, 2, store)], store)
        expect(again.entryCount()).toBe(0)
      })

      it('keep state that the restored program has not declared yet', async () => {
        const b = await backend()
        const state = b.value<number>({ kind: 'value', name: 'n', type: types.float64() })
        b.setCurrentKey(1)
        state.update(42)
        const store = new MemorySnapshotStore()
        const middle = await restored([await checkpoint(b, 1, store)], store)
        const last = await restored([await checkpoint(middle, 2, store)], store)
        last.setCurrentKey(1)
        expect(last.value<number>({ kind: 'value', name: 'n', type: types.float64() }).value()).toBe(42)
      })
    })

    describe('changed programs', () => {
      const before = types.row({ a: types.int32(), b: types.text() })

      async function written(): Promise<[KeyedStateHandle, MemorySnapshotStore]> {
        const b = await backend()
        const state = b.value<{ a: number; b: string }>({ kind: 'value', name: 'r', type: before })
        b.setCurrentKey('k')
        state.update({ a: 1, b: 'x' })
        const store = new MemorySnapshotStore()
        return [await checkpoint(b, 1, store), store]
      }

      it('may add fields, which get a default, and remove fields', async () => {
        const [handle, store] = await written()
        const after = types.row({ b: types.text(), c: types.float64(), d: types.nullable(types.text()) })
        const b = await restored([handle], store)
        const state = b.value<unknown>({ kind: 'value', name: 'r', type: after })
        b.setCurrentKey('k')
        expect(state.value()).toEqual({ b: 'x', c: 0, d: null })
        const store2 = new MemorySnapshotStore()
        const again = await restored([await checkpoint(b, 2, store2)], store2)
        again.setCurrentKey('k')
        expect(again.value<unknown>({ kind: 'value', name: 'r', type: after }).value()).toEqual({
          b: 'x',
          c: 0,
          d: null,
        })
      })

      it('may not change the type of a field, nor the kind of the state', async () => {
        const [handle, store] = await written()
        const other = types.row({ a: types.text(), b: types.text() })
        const b = await restored([handle], store)
        let message = ''
        try {
          b.value<unknown>({ kind: 'value', name: 'r', type: other })
        } catch (error) {
          expect(codeOf(error)).toBe('MR_CHECKPOINT_INCOMPATIBLE')
          message = (error as Error).message
        }
        expect(message).toContain('"r"')
        expect(message).toContain('row<a text, b text>')
        expect(message).toContain('row<a int32, b text>')
        const c = await restored([handle], store)
        expect(thrown(() => c.list({ kind: 'list', name: 'r', type: before }))).toBe('MR_CHECKPOINT_INCOMPATIBLE')
      })
    })

    describe('against a model', () => {
      it('agrees with Maps over any commands, snapshots, restores and rescalings', async () => {
        const property = fc.asyncProperty(
          fc.array(fc.array(commandArbitrary, { maxLength: 60 }), { minLength: 1, maxLength: 5 }),
          fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 5, maxLength: 5 }),
          fc.array(fc.constantFrom('completed', 'late', 'aborted'), { minLength: 5, maxLength: 5 }),
          fc.array(fc.array(commandArbitrary, { maxLength: 40 }), { minLength: 5, maxLength: 5 }),
          async (phases, parallelisms, outcomes, during) => {
            const meanwhile = during.map((commands) => [...commands])
            let model = new ModelBackend()
            const store = new MemorySnapshotStore()
            let subtasks = [await backend()]
            // Checkpoints that are complete, which the backend hears of when the next one is on its way.
            let late: number[] = []
            try {
              let id = 0
              for (const [i, commands] of phases.entries()) {
                for (const command of commands) applyTo(command, subtasks, model, maxParallelism)
                model.expectSame(subtasks)
                id++
                const asOfBarrier = model.copy()
                const writing = subtasks.map((subtask) => subtask.snapshot(id, store))
                const later = meanwhile[i]!
                for (const command of later.splice(0, later.length / 2)) {
                  applyTo(command, subtasks, model, maxParallelism)
                }
                store.betweenChunks = () => {
                  const command = later.shift()
                  if (command !== undefined) applyTo(command, subtasks, model, maxParallelism)
                }
                const handles = structuredClone(await Promise.all(writing))
                store.betweenChunks = () => {}
                for (const lateId of late.splice(0)) {
                  for (const subtask of subtasks) subtask.notifyCheckpointComplete(lateId)
                }
                if (outcomes[i] === 'late') late.push(id)
                for (const subtask of subtasks) {
                  if (outcomes[i] === 'completed') subtask.notifyCheckpointComplete(id)
                  if (outcomes[i] === 'aborted') subtask.notifyCheckpointAborted(id)
                }
                const parallelism = parallelisms[i]!
                if (parallelism === subtasks.length) continue
                model = asOfBarrier
                late = []
                for (const subtask of subtasks) await subtask.close()
                subtasks = await Promise.all(
                  Array.from({ length: parallelism }, (_, n) =>
                    restored(handles, store, { keyGroupRange: keyGroupRangeOf(n, parallelism, maxParallelism) }),
                  ),
                )
                model.expectSame(subtasks)
              }
              for (const subtask of subtasks) {
                const again = await restored([await subtask.snapshot(++id, store)], store, {
                  keyGroupRange: subtask.keyGroupRange,
                })
                model.expectSame([again], subtask.keyGroupRange)
              }
            } finally {
              for (const each of opened.splice(0)) await each.close()
            }
          },
        )
        await fc.assert(property, { numRuns })
      })
    })
  })
}

function expectCounts(b: KeyedStateBackend, keyCount: number, changedBy: number): void {
  const counts = b.value<number>({ kind: 'value', name: 'n', type: types.float64() })
  const objects = b.value<{ n: number }>({ kind: 'value', name: 'o' })
  b.setCurrentNamespace(0)
  for (let key = 0; key < keyCount; key++) {
    b.setCurrentKey(key)
    const expected = key % 3 === 0 ? key + changedBy : key % 3 === 1 && key < 200 && changedBy > 0 ? -1 : key
    const expectedObject = key % 3 === 0 ? key + changedBy : key
    const found = [counts.value(), objects.value()?.n]
    if (found[0] !== expected || found[1] !== expectedObject) {
      expect([key, ...found]).toEqual([key, expected, expectedObject])
    }
  }
}

/** A budget that counts; for tests of charging. */
export class CountingBudget implements StateBudget {
  usedBytes = 0
  readonly limitBytes: number

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  tryCharge(bytes: number): boolean {
    if (this.usedBytes + bytes > this.limitBytes) return false
    this.usedBytes += bytes
    return true
  }

  release(bytes: number): void {
    this.usedBytes -= bytes
  }
}

/** A snapshot part that consists of numbers. */
function partOf(numbers: number[]): SnapshotPart {
  return {
    freeze: () => ({
      isEmpty: numbers.length === 0,
      *blocks() {
        const block = new BlockBuilder({ op: BlockOp.Upsert, state: 0, keyClass: KeyClass.Int32, namespace: 0 })
        for (const n of numbers) block.add(keyGroupOf(n, maxParallelism), n, undefined, undefined)
        yield block.take()
      },
      close() {},
    }),
    load(block) {
      for (let i = 0; i < block.count; i++) numbers.push(keyCodecs[KeyClass.Int32]!.decode(block.keys) as number)
    },
  }
}

/** Code of what a function throws; undefined where it throws nothing. */
function thrown(run: () => void): string | undefined {
  try {
    run()
  } catch (error) {
    return codeOf(error) ?? String(error)
  }
  return undefined
}

function deepSame(left: unknown, right: unknown): boolean {
  try {
    expect(left).toStrictEqual(right)
    return true
  } catch {
    return false
  }
}
