/**
 * How many timers per second does a slot register and fire? Three shapes: spread times, few times (windows: each timer
 * registered ten times), and few timers that are registered and deleted again and again (sessions).
 *
 *   node bench/state/timers.ts [--json] [--count 10000000]
 */
import { parseArgs } from 'node:util'
import { prng } from '../../src/common/prng.ts'
import { createKeyedStateBackend } from '../../src/state/create-keyed-state-backend.ts'
import { TimerService } from '../../src/time/timer-service.ts'

export interface TimerFigures {
  readonly shape: string
  readonly count: number
  readonly fired: number
  readonly seconds: number
  /** Registered (or deleted) and fired per second, in millions. */
  readonly perSecondMillions: number
}

function measure(
  shape: string,
  count: number,
  register: (timers: TimerService, setKey: (key: number) => void) => void,
): TimerFigures {
  const backend = createKeyedStateBackend('heap', { keyGroupRange: { first: 0, last: 127 }, maxParallelism: 128 })
  let fired = 0
  const target = { onEventTime: () => void fired++, onProcessingTime: () => {} }
  const timers = new TimerService({ backend, name: 'bench', target, isFull: () => false })
  const start = performance.now()
  register(timers, (key) => backend.setCurrentKey(key))
  timers.advanceWatermark(Infinity)
  const seconds = (performance.now() - start) / 1000
  return { shape, count, fired, seconds, perSecondMillions: count / seconds / 1e6 }
}

export function timerFigures(count: number): TimerFigures[] {
  const random = prng(1)
  const startMs = 1_700_000_000_000
  return [
    measure('spread over an hour', count, (timers, setKey) => {
      for (let i = 0; i < count; i++) {
        setKey(random.nextBelow(1_000_000))
        timers.registerEventTimeTimer(0, startMs + random.nextBelow(3_600_000))
      }
    }),
    measure('spread over a year', count, (timers, setKey) => {
      for (let i = 0; i < count; i++) {
        setKey(random.nextBelow(1_000_000))
        timers.registerEventTimeTimer(0, startMs + Math.floor(random.nextFloat() * 3.15e10))
      }
    }),
    measure('window ends', count, (timers, setKey) => {
      for (let i = 0; i < count; i++) {
        setKey(random.nextBelow(10_000))
        const window = Math.floor((i / count) * 100)
        timers.registerEventTimeTimer(startMs + window * 10_000, startMs + (window + 1) * 10_000 - 1)
      }
    }),
    measure('sessions', count, (timers, setKey) => {
      const ends = new Float64Array(10_000)
      for (let i = 0; i < count; i++) {
        const key = random.nextBelow(10_000)
        setKey(key)
        if (ends[key]! > 0) timers.deleteEventTimeTimer(key, ends[key]!)
        ends[key] = startMs + i / 10 + 10_000
        timers.registerEventTimeTimer(key, ends[key]!)
      }
    }),
  ]
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { json: { type: 'boolean', default: false }, count: { type: 'string', default: '10000000' } },
  })
  const figures = timerFigures(Number(values.count))
  if (values.json) console.log(JSON.stringify({ bench: 'timers', node: process.version, figures }))
  else console.table(figures)
}
