/**
 * Runs one operator over one script in every way that must not matter: as it comes, with an output that is full after
 * each record, with a snapshot and restore after each input, and both. The results must be the same.
 */
import { OperatorHarness, type HarnessOptions } from './operator-harness.ts'
import type { OutputEvent } from './harness-output.ts'

export type HarnessInput<In, In2 = never> =
  | { readonly type: 'element'; readonly value: In; readonly timestampMs?: number }
  | { readonly type: 'element2'; readonly value: In2; readonly timestampMs?: number }
  | { readonly type: 'watermark'; readonly timestampMs: number }
  | { readonly type: 'processingTime'; readonly timeMs: number }
  | { readonly type: 'endOfBatch' }
  | { readonly type: 'endInput' }

export interface Trial {
  readonly name: string
  readonly outputRoom?: number
  readonly restoresAfterEachInput?: boolean
}

export const trials: readonly Trial[] = [
  { name: 'as it comes' },
  { name: 'output full after each record', outputRoom: 1 },
  { name: 'snapshot and restore after each input', restoresAfterEachInput: true },
  { name: 'both', outputRoom: 1, restoresAfterEachInput: true },
]

/** Events by input: what the operator emitted because of each. */
export async function runTrial<In, Out, In2 = never>(
  options: HarnessOptions<In, In2>,
  script: readonly HarnessInput<In, In2>[],
  trial: Trial,
): Promise<OutputEvent<Out>[][]> {
  const { outputRoom, restoresAfterEachInput = false } = trial
  const base = outputRoom === undefined ? options : { ...options, outputRoom }
  let harness = await OperatorHarness.open<In, Out, In2>(base)
  const byInput: OutputEvent<Out>[][] = []
  try {
    for (const input of script) {
      harness.output.events.length = 0
      feed(harness, input)
      byInput.push([...harness.output.events])
      if (restoresAfterEachInput) harness = await restored(harness, base)
    }
  } finally {
    await harness.close()
  }
  return byInput
}

export function feed<In, Out, In2>(harness: OperatorHarness<In, Out, In2>, input: HarnessInput<In, In2>): void {
  switch (input.type) {
    case 'element':
      return harness.processElement(input.value, input.timestampMs)
    case 'element2':
      return harness.processElement2(input.value, input.timestampMs)
    case 'watermark':
      return harness.processWatermark(input.timestampMs)
    case 'processingTime':
      return harness.setProcessingTime(input.timeMs)
    case 'endOfBatch':
      return harness.endOfBatch()
    case 'endInput':
      return harness.endInput()
  }
}

/** Another harness that goes on from the state of this one; watermark and clock are where they were. */
export async function restored<In, Out, In2>(
  harness: OperatorHarness<In, Out, In2>,
  options: HarnessOptions<In, In2>,
): Promise<OperatorHarness<In, Out, In2>> {
  const snapshot = await harness.snapshot()
  const { watermarkMs } = harness
  const nowMs = harness.clock.nowMs()
  await harness.close()
  const next = await OperatorHarness.open<In, Out, In2>({ ...options, startMs: nowMs, restore: [snapshot] })
  next.processWatermark(watermarkMs)
  return next
}
