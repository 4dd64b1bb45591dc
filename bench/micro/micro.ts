/**
 * What do the primitives of the hot path cost, each by itself? Hashes of keys, look-ups in managed tables, the encoder
 * and decoder of blocks, value codecs, a round through the ring of descriptors, the timer queue. Measured by tinybench.
 *
 *   npm run bench:micro -- [--json] [--size small] [--only TEXT]
 *
 * Every task does `itemsPerTurn` of its operation; figures are nanoseconds of one, by the median turn.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { Bench } from 'tinybench'
import { microTasks } from './tasks.ts'

export interface MicroFigure {
  readonly name: string
  readonly nsPerItem: number
  readonly millionsPerSecond: number
  readonly turns: number
}

/** `small` runs each task a few times only, for the tests. */
export async function microFigures(size: 'small' | 'full', only: string = ''): Promise<MicroFigure[]> {
  const isSmall = size === 'small'
  const bench = new Bench({
    time: isSmall ? 1 : 300,
    iterations: isSmall ? 2 : 20,
    warmupTime: isSmall ? 0 : 150,
    warmupIterations: isSmall ? 1 : 10,
  })
  const itemsPerTurn = isSmall ? 200 : 20_000
  for (const { name, run } of microTasks(itemsPerTurn)) {
    if (!name.includes(only)) continue
    bench.add(name, () => {
      kept = (kept + run()) | 0
    })
  }
  await bench.run()
  return bench.tasks.map(({ name, result }) => {
    if (result.state !== 'completed') throw new Error(`${name}: ${'error' in result ? result.error : result.state}`)
    const { p50, samplesCount } = result.latency
    const nsPerItem = (p50 * 1e6) / itemsPerTurn
    return { name, nsPerItem, millionsPerSecond: 1e3 / nsPerItem, turns: samplesCount }
  })
}

/** What tasks answer, so that nothing can be left out. */
let kept = 0

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      size: { type: 'string', default: 'full' },
      only: { type: 'string', default: '' },
    },
  })
  const figures = await microFigures(values.size === 'small' ? 'small' : 'full', values.only)
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.versions.node }
  if (values.json) console.log(JSON.stringify({ bench: 'micro', machine, figures }))
  else {
    console.table(
      figures.map(({ name, nsPerItem, millionsPerSecond, turns }) => ({
        name,
        'ns each': Number(nsPerItem.toFixed(1)),
        'M/s': Number(millionsPerSecond.toFixed(1)),
        turns,
      })),
    )
  }
}
