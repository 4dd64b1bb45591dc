/**
 * Question: what do the file formats cost, against the program that one would write for the same file? A row has eight
 * fields (four texts, three numbers, a bool), about 145 bytes as JSON and 85 as CSV; one thread, objects out.
 *
 * Run: node bench/connectors/formats.ts [--json]
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Progress } from '../../src/common/progress.ts'
import { csv, fileLines, ndjson } from '../../src/connectors/index.ts'
import type { ReaderOutput } from '../../src/operators/operator.ts'
import type { Source } from '../../src/connectors/source.ts'
import { types } from '../../src/data/types.ts'
import { type Bench, type BenchSize, main } from '../harness.ts'

const rows: Readonly<Record<BenchSize, number>> = { small: 1000, full: 500_000 }

interface Order {
  readonly id: number
  readonly customer: string
  readonly city: string
  readonly amount: number
  readonly quantity: number
  readonly paid: boolean
  readonly day: string
  readonly comment: string
}

const cities = ['Phoenix', 'Los Angeles', 'San Francisco', 'Boise', 'Portland', 'Bend']

const order = (id: number): Order => ({
  id,
  customer: `customer-${(id * 7919) % 100_003}`,
  city: cities[id % 6]!,
  amount: ((id * 37) % 1_000_000) / 100,
  quantity: id % 17,
  paid: id % 3 === 0,
  day: `2026-0${1 + (id % 9)}-1${id % 10}`,
  comment: `some text of the order number ${id}`,
})

const type = types.row({
  id: types.int32(),
  customer: types.text(),
  city: types.text(),
  amount: types.float64(),
  quantity: types.int32(),
  paid: types.bool(),
  day: types.text(),
  comment: types.text(),
})

export const bench: Bench = {
  name: 'formats',
  question: 'NDJSON and CSV out of a file, against the obvious program over a file in memory',
  runs: 5,
  prepare(size) {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-formats-'))
    const orders = Array.from({ length: rows[size] }, (_, id) => order(id))
    const file = (name: string, lines: readonly string[]): string => {
      const path = join(directory, name)
      writeFileSync(path, `${lines.join('\n')}\n`)
      return path
    }
    const json = file(
      'orders.ndjson',
      orders.map((one) => JSON.stringify(one)),
    )
    const header = Object.keys(orders[0]!).join(',')
    const plain = file('orders.csv', [header, ...orders.map((one) => Object.values(one).join(','))])
    const quotes = file('quoted.csv', [header, ...orders.map(quotedLine)])
    return {
      items: orders.length,
      unit: 'rows',
      cases: [
        { name: 'lines', group: 'lines', run: () => read(fileLines(json), () => 1) },
        { name: 'JSON.parse by line', run: () => parseLines(json) },
        { name: 'ndjson', run: () => read(ndjson<Order>(json), amountOf) },
        { name: 'ndjson, typed', run: () => read(ndjson(json, { type }), amountOf) },
        { name: 'split by comma', run: () => splitLines(plain) },
        { name: 'csv', run: () => read(csv(plain, { type }), amountOf) },
        { name: 'csv, inferred', run: () => read(csv<Order>(plain), amountOf) },
        { name: 'csv, four fields quoted', run: () => read(csv(quotes, { type }), amountOf) },
      ],
      ratios: [
        { name: 'ndjson / JSON.parse by line', of: 'ndjson', against: 'JSON.parse by line', bar: 0.9 },
        { name: 'csv / split by comma', of: 'csv', against: 'split by comma', bar: 1 },
        { name: 'csv / JSON.parse by line', of: 'csv', against: 'JSON.parse by line', bar: 1.3 },
      ],
      extra: () => ({
        jsonBytesPerRow: Math.round(statSync(json).size / orders.length),
        csvBytesPerRow: Math.round(statSync(plain).size / orders.length),
      }),
      dispose: () => rmSync(directory, { recursive: true, force: true }),
    }
  },
}

const quotedLine = (one: Order): string =>
  Object.values(one)
    .map((value) => (typeof value === 'string' ? `"${value}"` : value))
    .join(',')

const amountOf = ({ amount }: { readonly amount: number }): number => amount

/** Drives a reader as a slot does, without a chain behind it. */
function read<T, S>(source: Source<T, S>, valueOf: (record: T) => number): number {
  let sum = 0
  const output: ReaderOutput<T> = {
    collect: (record: T) => void (sum += valueOf(record)),
    collectAt: () => {},
    collectSide: () => {},
    emitWatermark: () => {},
    emitStatus: () => {},
    isFull: () => false,
    createOutputForSplit: () => output,
    releaseOutputForSplit: () => {},
  }
  const reader = source.createReader({} as never)
  reader.addSplits(source.enumerateSplits({ parallelism: 1 }) as readonly S[])
  reader.noMoreSplits()
  while (reader.poll(output, 4096) !== Progress.Done);
  return Math.round(sum)
}

function parseLines(path: string): number {
  const text = readFileSync(path, 'utf8')
  let sum = 0
  for (let at = 0, end = text.indexOf('\n'); end >= 0; at = end + 1, end = text.indexOf('\n', at)) {
    sum += (JSON.parse(text.slice(at, end)) as Order).amount
  }
  return Math.round(sum)
}

function splitLines(path: string): number {
  const [header = '', ...lines] = readFileSync(path, 'utf8').split('\n')
  const names = header.split(',')
  let sum = 0
  for (const line of lines) {
    if (line === '') continue
    const [id, customer, city, amount, quantity, paid, day, comment] = line.split(',')
    if (names.length !== 8) throw new Error('eight columns')
    const one = {
      id: +id!,
      customer,
      city,
      amount: +amount!,
      quantity: +quantity!,
      paid: paid === 'true',
      day,
      comment,
    }
    sum += one.amount
  }
  return Math.round(sum)
}

if (import.meta.main) await main(bench)
