/**
 * Question: how long does a checkpoint take while a sink that takes 1,000 records a second holds the whole job up? Aligned
 * barriers wait behind everything in flight; unaligned ones overtake it, at once or after 100 ms.
 *
 * Run: node bench/checkpoints/backpressure.ts [--json] [--runs N]
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { executeJob } from '../../src/coordinator/execute.ts'
import type { JobControls } from '../../src/coordinator/job-control.ts'
import { type Bench, type BenchSize, main, medianOf } from '../harness.ts'
import { backpressured } from './backpressured-job.ts'

const moduleUrl = new URL(
  import.meta.url.endsWith('.ts') ? 'backpressured-job.ts' : 'backpressured-job.js',
  import.meta.url,
).href

const unaligned = { 'execution.checkpointing.unaligned.enabled': true }
const modes = {
  unaligned,
  'aligned, unaligned after 100 ms': { ...unaligned, 'execution.checkpointing.aligned-checkpoint-timeout': '100 ms' },
  aligned: {},
} as const

/** Small: little in flight, so that the aligned one is soon through. */
const sizes: Readonly<Record<BenchSize, { readonly configuration: Record<string, string | number>; fillMs: number }>> =
  {
    small: {
      configuration: {
        'taskmanager.memory.segment-size': '4 kb',
        'taskmanager.network.memory.buffers-per-channel': 1,
        'taskmanager.network.memory.floating-buffers-per-gate': 0,
      },
      fillMs: 500,
    },
    full: { configuration: {}, fillMs: 3_000 },
  }

export const bench: Bench = {
  name: 'checkpoint-under-backpressure',
  question: 'checkpoint duration while the sink takes 1,000 records a second',
  runs: 3,
  prepare(size) {
    const taken = new Map<string, number[]>()
    const cases = Object.entries(modes).map(([name, configuration]) => ({
      name,
      run: async () => {
        const ms = await checkpointMs({ ...sizes[size].configuration, ...configuration }, sizes[size].fillMs)
        taken.set(name, [...(taken.get(name) ?? []), ms])
        return 1
      },
    }))
    const middleMs = (name: keyof typeof modes): number => Math.round(medianOf(taken.get(name) ?? [0]))
    return {
      items: 1,
      unit: 'checkpoints',
      cases,
      ratios: [],
      limits: () => [
        { name: 'unaligned', value: middleMs('unaligned'), max: 1_000, unit: 'ms' },
        { name: 'after a time-out', value: middleMs('aligned, unaligned after 100 ms'), max: 1_000, unit: 'ms' },
        { name: 'unaligned by aligned', value: middleMs('unaligned') / middleMs('aligned'), max: 0.1, unit: '' },
      ],
      extra: () => ({ 'aligned, ms': middleMs('aligned') }),
    }
  },
}

async function checkpointMs(
  configuration: Readonly<Record<string, string | number | boolean>>,
  fillMs: number,
): Promise<number> {
  const abort = new AbortController()
  let begun: (job: JobControls) => void = () => {}
  const controls = new Promise<JobControls>((resolve) => (begun = resolve))
  const ended = executeJob({
    definition: backpressured,
    moduleUrl,
    parameters: { named: {}, positional: [] },
    parallelism: 2,
    configuration: { 'execution.checkpointing.interval': '1 h', ...configuration },
    signal: abort.signal,
    onControl: (job) => begun(job),
  }).catch(() => {})
  try {
    const job = await controls
    await sleep(fillMs)
    const startedMs = performance.now()
    await job.checkpoint()
    return performance.now() - startedMs
  } finally {
    abort.abort()
    await ended
  }
}

if (import.meta.main) await main(bench)
