/**
 * Every window recomputed from scratch, over random events, disorder, lateness, triggers and merging sessions, must
 * agree with the operators: the general one, and the fast one that the factory picks. MILLRACE_FULL=1: 10,000 cases.
 * A failure prints its seed: MILLRACE_SEED=n runs that case alone.
 */
import { describe, expect, it } from 'vitest'
import { noTimestamp } from '../../src/common/limits.ts'
import { type Prng, prng } from '../../src/common/prng.ts'
import type { Operator } from '../../src/operators/operator.ts'
import { outputTag } from '../../src/operators/output-tag.ts'
import { combinationOf } from '../../src/operators/reduce-function.ts'
import type { AggregateFunction } from '../../src/state/keyed-state-backend.ts'
import type { OutputEvent } from '../../src/testing/harness-output.ts'
import { OperatorHarness } from '../../src/testing/operator-harness.ts'
import { type HarnessInput, restored, runTrial, trials } from '../../src/testing/operator-trials.ts'
import { WatermarkValve } from '../../src/time/watermark-valve.ts'
import { session } from '../../src/windows/assigners/session.ts'
import { sliding } from '../../src/windows/assigners/sliding.ts'
import { tumbling } from '../../src/windows/assigners/tumbling.ts'
import { createWindowOperator } from '../../src/windows/create-window-operator.ts'
import { incrementalAggregate, incrementalReduce } from '../../src/windows/incremental.ts'
import { continuousEventTimeTrigger } from '../../src/windows/triggers/continuous-trigger.ts'
import { countTrigger } from '../../src/windows/triggers/count-trigger.ts'
import { purgingTrigger } from '../../src/windows/triggers/purging-trigger.ts'
import { keyOfPartial, type PartialAggregate } from '../../src/windows/two-phase/partial-aggregate.ts'
import { createLocalWindowOperator, createMergingWindowOperator } from '../../src/windows/two-phase/two-phase-window.ts'
import { WindowOperator } from '../../src/windows/window-operator.ts'
import type { WindowAssigner } from '../../src/windows/window-assigner.ts'
import type { WindowSpec } from '../../src/windows/window-spec.ts'
import type { TimeWindow } from '../../src/windows/window.ts'
import { type Event, type ModelAssigner, type ModelTrigger, WindowModel } from '../support/window-model.ts'

interface Sum {
  readonly key: number
  readonly total: number
}

type Spec = WindowSpec<Event, unknown, Sum, Sum, number, TimeWindow>

interface Case {
  readonly spec: Spec
  readonly model: WindowModel
  readonly script: HarnessInput<Event>[]
  readonly description: string
}

const late = outputTag<Event>('late')

/** Acc is an object that merge and retract change in place. */
const retractable: AggregateFunction<Event, { key: number; total: number }, Sum> = {
  createAccumulator: () => ({ key: -1, total: 0 }),
  add: (event, acc) => ({ key: event.key, total: acc.total + event.n }),
  merge(left, right) {
    left.key = Math.max(left.key, right.key)
    left.total += right.total
    return left
  },
  retract(total, part) {
    total.total -= part.total
    return total
  },
  getResult: (acc) => ({ ...acc }),
}

const mergeOnly: AggregateFunction<Event, { key: number; total: number }, Sum> = {
  ...retractable,
  retract: undefined,
  getResult: (acc) => acc,
}

interface Listed {
  readonly key: number
  readonly total: number
  readonly odd?: readonly number[]
}

/** Accumulators of another shape now and then, which cannot lie in columns. */
const shapeless: AggregateFunction<Event, Listed, Sum> = {
  createAccumulator: () => ({ key: -1, total: 0 }),
  add: (event, acc) => listed(event.key, acc.total + event.n),
  merge: (left, right) => listed(Math.max(left.key, right.key), left.total + right.total),
  getResult: ({ key, total }) => ({ key, total }),
}

function listed(key: number, total: number): Listed {
  return total % 7 === 0 ? { key, total, odd: [total] } : { key, total }
}

/** Accumulators without an object; gives up on odd parts. */
const fussy: AggregateFunction<Event, number, number> = {
  createAccumulator: () => 0,
  add: (event, acc) => acc + event.n,
  merge: (left, right) => left + right,
  retract: (total, part) => (part % 2 === 0 ? total - part : undefined),
  getResult: (acc) => acc,
}

const largest = incrementalReduce(
  combinationOf<Sum & Event>((left, right) => {
    if (right.n > left.n) (left as { n: number }).n = right.n
    return left
  }),
)

const keyOf = (event: Event): number => event.key

function caseOf(seed: number, givenTrigger?: ModelTrigger): Case {
  const random = prng(seed)
  const assigner = randomAssigner(random)
  const randomly = randomTrigger(random, assigner)
  const trigger = givenTrigger ?? randomly
  const latenessMs = random.nextBelow(3) === 0 ? random.nextBelow(25) : 0
  const folds = [sumOf, sumOf, sumOf, (values: readonly number[]) => Math.max(...values), sumOf]
  const foldIndex = random.nextBelow(folds.length)
  const spec: Spec = {
    assigner: assignerOf(assigner),
    ...(trigger.kind === 'default' ? {} : { trigger: triggerOf(trigger) }),
    allowedLatenessMs: latenessMs,
    lateTag: late,
    ...incrementalOf(foldIndex),
  }
  const model = new WindowModel({ assigner, trigger, latenessMs, fold: folds[foldIndex]! })
  const script = randomScript(random)
  const description = JSON.stringify({ seed, assigner, trigger, latenessMs, foldIndex })
  return { spec, model, script, description }
}

function randomAssigner(random: Prng): ModelAssigner {
  const kind = random.nextBelow(3)
  if (kind === 2) return { kind: 'sessions' }
  const slideMs = 1 + random.nextBelow(12)
  const sizeMs = kind === 0 ? slideMs : slideMs + random.nextBelow(30)
  return { kind: 'slices', sizeMs, slideMs, offsetMs: random.nextBelow(2 * slideMs - 1) - slideMs + 1 }
}

function randomTrigger(random: Prng, assigner: ModelAssigner): ModelTrigger {
  const kind = random.nextBelow(8)
  if (kind === 0) return { kind: 'count', count: 1 + random.nextBelow(4), purges: random.nextBelow(2) === 0 }
  if (kind === 1 && assigner.kind === 'slices') return { kind: 'continuous', everyMs: 1 + random.nextBelow(8) }
  return { kind: 'default' }
}

function randomScript(random: Prng): HarnessInput<Event>[] {
  const keyCount = 1 + random.nextBelow(3)
  const disorderMs = random.nextBelow(4) === 0 ? 0 : random.nextBelow(30)
  const stepMs = 1 + random.nextBelow(5)
  const count = 1 + random.nextBelow(40)
  const watermarkEvery = 1 + random.nextBelow(8)
  const gapMs = 1 + random.nextBelow(15)
  const isDynamic = random.nextBelow(2) === 0
  const script: HarnessInput<Event>[] = []
  let nowMs = random.nextBelow(60) - 40
  for (let i = 0; i < count; i++) {
    nowMs += random.nextBelow(stepMs + 1)
    if (random.nextBelow(12) === 0) nowMs += random.nextBelow(50)
    const value = {
      key: random.nextBelow(keyCount),
      n: random.nextBelow(100),
      gapMs: isDynamic ? 1 + random.nextBelow(gapMs) : gapMs,
    }
    script.push({ type: 'element', value, timestampMs: nowMs - random.nextBelow(disorderMs + 1) })
    if (random.nextBelow(watermarkEvery) === 0) {
      script.push({ type: 'watermark', timestampMs: nowMs - random.nextBelow(disorderMs + 1) - 1 })
    }
  }
  script.push({ type: 'endInput' })
  return script
}

const sumOf = (values: readonly number[]): number => values.reduce((left, right) => left + right, 0)

function incrementalOf(index: number): Pick<Spec, 'incremental' | 'process'> {
  if (index === 0) return { incremental: incrementalAggregate(retractable) as Spec['incremental'] }
  if (index === 1) return { incremental: incrementalAggregate(mergeOnly) as Spec['incremental'] }
  if (index === 2) {
    return {
      incremental: incrementalAggregate(fussy) as unknown as Spec['incremental'],
      process: (key, _, [total], out) => out.collect({ key, total: total as unknown as number }),
    }
  }
  if (index === 4) return { incremental: incrementalAggregate(shapeless) as unknown as Spec['incremental'] }
  return {
    incremental: largest as unknown as Spec['incremental'],
    process: (key, _, [found], out) => out.collect({ key, total: (found as unknown as Event).n }),
  }
}

function assignerOf(assigner: ModelAssigner): WindowAssigner<Event, TimeWindow> {
  if (assigner.kind === 'sessions') return session.dynamicEventTime((event) => event.gapMs)
  const { sizeMs, slideMs, offsetMs } = assigner
  return sizeMs === slideMs
    ? tumbling.eventTime(sizeMs, { offsetMs })
    : sliding.eventTime(sizeMs, slideMs, { offsetMs })
}

function triggerOf(trigger: ModelTrigger): NonNullable<Spec['trigger']> {
  if (trigger.kind === 'continuous') return continuousEventTimeTrigger(trigger.everyMs)
  const count = countTrigger<Event, TimeWindow>((trigger as { count: number }).count)
  return (trigger as { purges: boolean }).purges ? purgingTrigger(count) : count
}

function expectedOf({ model, script }: Case): string[][] {
  return script.map((input) => {
    if (input.type === 'element') return model.element(input.value, input.timestampMs!)
    return model.watermark(input.type === 'watermark' ? input.timestampMs : Number.POSITIVE_INFINITY).toSorted()
  })
}

function printed(events: readonly OutputEvent<Sum>[], input: HarnessInput<Event>): string[] {
  const lines = events.map((event) => {
    if (event.type === 'side') {
      const { key, n } = event.value as Event
      return `late ${key}:${n}@${event.timestampMs}`
    }
    const { value, timestampMs } = event as { value: Sum; timestampMs: number }
    return `${value.key}:${value.total}@${timestampMs}`
  })
  return input.type === 'element' ? lines : lines.toSorted()
}

async function agrees(seed: number): Promise<void> {
  const { spec, script, description } = caseOf(seed)
  const expected = expectedOf(caseOf(seed))
  const operators: [string, () => Operator<Event, Sum>][] = [
    ['general', () => new WindowOperator(spec)],
    ['picked', () => createWindowOperator(spec)],
  ]
  // Restores are slow: every case takes one way through, by its seed. (A continuous trigger may have timers that are due
  // already; a restored operator fires them with its first watermark, which the others get later.)
  const restores = seed % 8 === 0 && !description.includes('continuous')
  const trial = trials[restores ? 2 + (seed % 16 === 0 ? 1 : 0) : seed % 2]!
  for (const [name, operator] of operators) {
    const backend = seed % 3 === 0 ? 'managed' : 'heap'
    const options = { operator, keySelector: keyOf, backend } as const
    const found = await runTrial<Event, Sum>(options, script, trial)
    const lines = found.map((events, i) => printed(events, script[i]!))
    expect(lines, `${name}, ${trial.name}, ${description} ${JSON.stringify(script)}`).toEqual(expected)
  }
}

/** The same windows with up to three producers that fold before the exchange, at watermarks of their own. */
async function agreesInTwoPhases(seed: number): Promise<void> {
  const random = prng(seed + 7_000_000)
  const { spec: given, model, script, description } = caseOf(seed, { kind: 'default' })
  const spec: Spec = { ...given, lateTag: undefined }
  const limits = { partialsMax: 1 + random.nextBelow(6), partialsToJudge: 1 + random.nextBelow(20) }
  const localOptions = {
    operator: () => createLocalWindowOperator(spec, keyOf, limits) as Operator<Event, PartialAggregate<unknown>>,
    ...(random.nextBelow(2) === 0 && { outputRoom: 1 }),
  }
  const mergingOptions = {
    operator: () => createMergingWindowOperator(spec) as Operator<PartialAggregate<unknown>, Sum>,
    keySelector: keyOfPartial,
    backend: seed % 3 === 0 ? 'managed' : 'heap',
  } as const
  const open = (): Promise<OperatorHarness<Event, PartialAggregate<unknown>>> => OperatorHarness.open(localOptions)
  const locals = await Promise.all(Array.from({ length: 1 + random.nextBelow(3) }, open))
  let merging = await OperatorHarness.open<PartialAggregate<unknown>, Sum>(mergingOptions)
  const send = (from: OperatorHarness<Event, PartialAggregate<unknown>>): void => {
    for (const event of from.output.events.splice(0)) {
      if (event.type === 'record') merging.processElement(event.value, event.timestampMs)
    }
  }
  const valve = new WatermarkValve(locals.length)
  const idles = random.nextBelow(4) === 0
  const advance = (): string[] => {
    merging.processWatermark(valve.watermarkMs)
    return model.watermark(valve.watermarkMs).toSorted()
  }
  // A restored task has never been idle, and nobody is ahead of it: the model cannot go back that far.
  let barriers = !idles && random.nextBelow(4) === 0 ? 3 : 0
  try {
    for (const input of script) {
      const at = random.nextBelow(locals.length)
      let expected: string[] = []
      if (input.type === 'watermark' && idles && random.nextBelow(4) === 0) {
        locals[at]!.processStatus(true)
        send(locals[at]!)
        valve.inputStatus(at, true)
        expected = advance()
      } else if (input.type === 'element') {
        if (idles) locals[at]!.processStatus(false)
        valve.inputStatus(at, false)
        locals[at]!.processElement(input.value, input.timestampMs)
        send(locals[at]!)
        expected = model.element(input.value, input.timestampMs!).filter((line) => !line.startsWith('late'))
      } else {
        const reachedMs = input.type === 'watermark' ? input.timestampMs : Number.POSITIVE_INFINITY
        for (const [i, local] of locals.entries()) {
          if (input.type === 'watermark' && i !== at) continue
          local.processWatermark(reachedMs)
          if (input.type === 'endInput') local.endInput()
          send(local)
          valve.inputStatus(i, false)
          valve.inputWatermark(i, reachedMs)
        }
        expected = advance()
      }
      const found = printed(merging.output.events.splice(0), input)
      expect(found, `two phases, ${JSON.stringify(limits)}, ${description} ${JSON.stringify(script)}`).toEqual(expected)
      if (barriers > 0 && random.nextBelow(6) === 0) {
        barriers--
        for (const [i, local] of locals.entries()) {
          await local.snapshot()
          send(local)
          locals[i] = await restored(local, localOptions)
        }
        merging = await restored(merging, mergingOptions)
      }
    }
  } finally {
    for (const harness of [...locals, merging]) await harness.close()
  }
}

describe('windows recomputed from scratch', () => {
  const { MILLRACE_SEED, MILLRACE_FULL } = process.env
  if (MILLRACE_SEED !== undefined) {
    it(`agree for seed ${MILLRACE_SEED}`, () => agrees(Number(MILLRACE_SEED)))
    it(`agree in two phases for seed ${MILLRACE_SEED}`, () => agreesInTwoPhases(Number(MILLRACE_SEED)))
  } else {
    const cases = MILLRACE_FULL === undefined ? 400 : 10_000
    const perTest = cases / 4
    it.each([0, 1, 2, 3])(
      `agree with the operators, part %i of 4 of ${cases} cases`,
      async (part) => {
        for (let seed = part * perTest; seed < (part + 1) * perTest; seed++) await agrees(seed)
      },
      600_000,
    )
    it(`agree in two phases, ${2 * cases} cases`, async () => {
      for (let seed = 0; seed < 2 * cases; seed++) await agreesInTwoPhases(seed)
    }, 600_000)
  }
  it('knows a record without a timestamp', () => expect(noTimestamp).toBe(Number.NEGATIVE_INFINITY))
})
