/** User functions that take part in checkpoints (Flink's CheckpointedFunction and CheckpointListener). */
import { expect, it } from 'vitest'
import { executeJob } from '../../../src/coordinator/execute.ts'
import { parametersOf } from '../../../src/common/parameters.ts'
import { discard, generator, job, type RuntimeContext } from '../../../src/index.ts'
import { keyedProcessHarness } from '../../../src/testing/index.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** Buffers records, and puts what is buffered into operator state only when a checkpoint is taken. */
class Buffering {
  #buffer: number[] = []
  #context!: RuntimeContext
  static restored: number[] = []
  static completed: number[] = []
  static fails = false

  open(context: RuntimeContext): void {
    this.#context = context
    this.#buffer = [...context.operatorState.listState<number>('buffered').get()]
    if (context.isRestored) Buffering.restored.push(...this.#buffer)
  }

  map(n: number): number {
    if (Buffering.fails && n > 3_000) {
      Buffering.fails = false
      throw new Error('once')
    }
    this.#buffer.push(n)
    return n
  }

  snapshotState(): void {
    this.#context.operatorState.listState<number>('buffered').update(this.#buffer)
  }

  notifyCheckpointComplete(checkpointId: number): void {
    Buffering.completed.push(checkpointId)
  }
}

it.each([1, 2])(
  'a rich function snapshots what it holds and hears of completion, at parallelism %i',
  async (parallelism) => {
    Buffering.restored = []
    Buffering.completed = []
    Buffering.fails = true
    const definition = job('buffering', (env) => {
      env
        .source(generator({ count: 6_000, ratePerSecond: 20_000, make: (n) => n }))
        .map(new Buffering())
        .sinkTo(discard())
    })
    await executeJob({
      definition,
      parameters: parametersOf({}),
      parallelism,
      jobDir: temporaryDirectory(),
      configuration: {
        'execution.checkpointing.interval': '20 ms',
        'restart-strategy.exponential-delay.initial-backoff': '1 ms',
      },
    })
    const { restored, completed } = Buffering
    expect(completed.length).toBeGreaterThan(1)
    expect(restored.length).toBeGreaterThan(0)
    // Every record before the checkpoint once, none after it.
    const sorted = restored.toSorted((a, b) => a - b)
    expect(sorted).toEqual([...new Set(sorted)])
    for (let s = 0; s < parallelism; s++) {
      const mine = sorted.filter((n) => n % parallelism === s)
      expect(mine).toEqual(mine.map((_, i) => i * parallelism + s))
    }
  },
)

it('a keyed function in a harness hears of checkpoints, and what it throws names the call', async () => {
  const heard: string[] = []
  const harness = await keyedProcessHarness<number, number, number>(
    {
      processElement: () => {},
      snapshotState: (id) => {
        heard.push(`snapshot ${id}`)
        if (id === 2) throw new Error('full')
      },
      notifyCheckpointComplete: (id) => void heard.push(`complete ${id}`),
    },
    (n) => n,
  )
  await harness.snapshot()
  expect(heard).toEqual(['snapshot 1', 'complete 1'])
  await expect(harness.snapshot()).rejects.toMatchObject({
    code: 'MR_USER_FUNCTION_FAILED',
    message: expect.stringContaining('snapshotState'),
  })
  await harness.close()
})
