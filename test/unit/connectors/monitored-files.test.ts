import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Progress } from '../../../src/common/progress.ts'
import { csv, fileLines, ndjson } from '../../../src/connectors/index.ts'
import type { Source, SourceReader } from '../../../src/connectors/source.ts'
import { type ConnectorContext, connectorContext } from '../../support/connector-context.ts'
import { ListOutput } from '../../support/read-source.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const intervalMs = 50

interface Subtask<S> {
  readonly context: ConnectorContext
  readonly reader: SourceReader<unknown, S>
  readonly output: ListOutput<unknown>
}

async function start<S>(source: Source<unknown, S>, parallelism = 1): Promise<Subtask<S>[]> {
  const splits = structuredClone(await source.enumerateSplits({ parallelism }))
  return Array.from({ length: parallelism }, (_, subtaskIndex) => {
    const context = connectorContext({ subtaskIndex, parallelism })
    const reader = source.createReader(context)
    reader.addSplits(splits.filter((_split, i) => i === subtaskIndex))
    reader.noMoreSplits()
    return { context, reader, output: new ListOutput() }
  })
}

/** Polls until every reader has nothing to do at this time. */
function settle(subtasks: readonly Subtask<never>[], nowMs: number): unknown[] {
  for (const { context, reader, output } of subtasks) {
    context.nowMs = nowMs
    while (reader.poll(output, 10) === Progress.Working);
  }
  return subtasks.flatMap(({ output }) => output.values.splice(0))
}

describe('file sources that look for new files', () => {
  it('read what is there, then what appears, each path once, by one of the subtasks', async () => {
    const folder = temporaryDirectory()
    const put = (name: string, text: string): void => writeFileSync(join(folder, name), text)
    put('1', 'a\nb\n')
    const subtasks = (await start(fileLines(folder, { monitorIntervalMs: intervalMs }), 3)) as Subtask<never>[]
    expect(settle(subtasks, 0)).toEqual(['a', 'b'])
    for (let i = 2; i < 30; i++) put(String(i), `${i}\n`)
    put('.hidden', 'x\n')
    expect(settle(subtasks, intervalMs - 1)).toEqual([])
    expect(
      settle(subtasks, intervalMs)
        .map(Number)
        .toSorted((a, b) => a - b),
    ).toEqual(Array.from({ length: 28 }, (_, i) => i + 2))
    put('1', 'changed\n')
    renameSync(join(folder, '.hidden'), join(folder, 'shown'))
    expect(settle(subtasks, 2 * intervalMs)).toEqual(['x'])
    expect(settle(subtasks, 3 * intervalMs)).toEqual([])
    for (const { context, reader } of subtasks) {
      expect(context.holds).toBe(1)
      reader.close?.()
      expect(context.holds).toBe(0)
    }
  })

  it('go on where the snapshot stood, all strides in one reader', async () => {
    const folder = temporaryDirectory()
    for (let i = 0; i < 10; i++) writeFileSync(join(folder, String(i)), `${i}.1\n${i}.2\n`)
    const source = ndjson(folder, { monitorIntervalMs: intervalMs })
    const before = await start(source, 2)
    for (const { reader, output } of before) {
      reader.poll(output, 3)
      reader.poll(output, 3)
    }
    const read = before.flatMap(({ output }) => output.values)
    const reader = source.createReader(connectorContext())
    reader.addSplits(structuredClone(before.flatMap((subtask) => subtask.reader.snapshot())))
    reader.noMoreSplits()
    writeFileSync(join(folder, 'new'), '"new"\n')
    const [after] = [{ context: connectorContext(), reader, output: new ListOutput() }]
    const rest = settle([after as Subtask<never>], 0)
    expect(read.length).toBeGreaterThan(0)
    expect([...read, ...rest].map(String).toSorted()).toEqual(
      [...Array.from({ length: 20 }, (_, i) => `${i >> 1}.${(i % 2) + 1}`), 'new'].toSorted(),
    )
    for (const { reader: one } of [...before, after]) one.close?.()
  })

  it('wait for a pattern to match, and refuse a name that is not there', async () => {
    const folder = join(temporaryDirectory(), 'later')
    const pattern = fileLines(`${folder}/*.txt`, { monitorIntervalMs: intervalMs })
    const subtasks = (await start(pattern)) as Subtask<never>[]
    expect(settle(subtasks, 0)).toEqual([])
    mkdirSync(folder)
    writeFileSync(join(folder, 'a.txt'), 'a')
    expect(settle(subtasks, intervalMs)).toEqual(['a'])
    subtasks[0]?.reader.close?.()
    const named = fileLines(`${folder}x`, { monitorIntervalMs: intervalMs })
    expect(() => named.enumerateSplits({ parallelism: 1 })).toThrow(
      expect.objectContaining({ code: 'MR_SOURCE_NOT_FOUND' }),
    )
  })

  it('need a declared type for CSV, and a positive interval', () => {
    const refusal = expect.objectContaining({ code: 'MR_CONFIG_INVALID_VALUE' })
    expect(() => csv('x', { monitorIntervalMs: 10 })).toThrow(refusal)
    expect(() => fileLines('x', { monitorIntervalMs: 0 })).toThrow(refusal)
  })
})
