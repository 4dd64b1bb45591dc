/** Programs that are wrong, as a user gets them wrong: each fails with a code and says what and where. */
import { expect, it } from 'vitest'
import {
  elements,
  mapState,
  type RuntimeContext,
  sequence,
  session,
  sliding,
  StreamExecutionEnvironment,
  tumbling,
  types,
  valueState,
  WatermarkStrategy,
} from '../../../src/index.ts'

const env = (parallelism = 1): StreamExecutionEnvironment =>
  StreamExecutionEnvironment.getExecutionEnvironment({ parallelism })
const stamped = <T>(timeOf: (value: T) => number): WatermarkStrategy<T> =>
  WatermarkStrategy.forMonotonousTimestamps<T>().withTimestampAssigner(timeOf)
const numbers = () =>
  env().source(
    sequence(1, 3),
    stamped((n: number) => n),
  )
const byWord = () => numbers().keyBy(() => 'word')
const windows = () => byWord().window(tumbling.eventTime(5))
/** Another key each time it is asked. */
const fickle = (): ((n: number) => number) => {
  let calls = 0
  return () => calls++ % 1_000
}
const boom = (): never => {
  throw new Error('boom')
}
const process = (open: (context: RuntimeContext) => void) => ({ open, processElement() {} })
const idle = { onElement: () => 0, onEventTime: () => 0, onProcessingTime: () => 0, clear() {} } as const

type Program = () => unknown

const cases: [string, string, RegExp, Program][] = [
  [
    'a null key',
    'MR_STATE_NO_KEY',
    /null.*"k":null/,
    () =>
      env()
        .fromElements<{ k: unknown }>({ k: null })
        .keyBy('k')
        .reduce((a) => a)
        .executeAndCollect(),
  ],
  [
    'a null key before an exchange',
    'MR_STATE_NO_KEY',
    /null.*"k":null/,
    () =>
      env(2)
        .fromElements<{ k: unknown }>({ k: null })
        .rebalance()
        .map((x) => x)
        .keyBy('k')
        .reduce((a) => a)
        .executeAndCollect(),
  ],
  [
    'no key at all',
    'MR_STATE_NO_KEY',
    /key selector gave undefined/,
    () =>
      env()
        .source(
          elements<{ t: number; k?: string }>([{ t: 1 }]),
          stamped((v) => v.t),
        )
        .keyBy((v) => v.k)
        .window(tumbling.eventTime(10))
        .reduce((a) => a)
        .executeAndCollect(),
  ],
  [
    'a key that is no value',
    'MR_DATA_NOT_SERIALIZABLE',
    /got symbol/,
    () =>
      env(2)
        .fromElements(1)
        .keyBy(() => Symbol('x') as never)
        .reduce((a) => a)
        .executeAndCollect(),
  ],
  [
    'a key selector that throws',
    'MR_USER_FUNCTION_FAILED',
    /record 1.*boom/,
    () =>
      env(2)
        .fromElements(1)
        .keyBy(boom)
        .reduce((a: number) => a)
        .executeAndCollect(),
  ],
  [
    'fickle keys: reduce',
    'MR_STATE_KEY_GROUP',
    /gives different keys for one record.*'Keyed Reduce'/,
    () =>
      env(2)
        .fromSequence(1, 1_000)
        .keyBy(fickle())
        .reduce((a) => a)
        .executeAndCollect(),
  ],
  [
    'fickle keys: windows',
    'MR_STATE_KEY_GROUP',
    /gives different keys/,
    () =>
      env(2)
        .source(
          sequence(1, 1_000),
          stamped((n: number) => n),
        )
        .keyBy(fickle())
        .window(tumbling.eventTime(10))
        .reduce((a) => a)
        .executeAndCollect(),
  ],
  [
    'fickle keys: sessions',
    'MR_STATE_KEY_GROUP',
    /gives different keys/,
    () =>
      env(2)
        .source(
          sequence(1, 1_000),
          stamped((n: number) => n),
        )
        .keyBy(fickle())
        .window(session.eventTime(10))
        .reduce((a) => a)
        .executeAndCollect(),
  ],
  [
    'fickle keys: timers',
    'MR_STATE_KEY_GROUP',
    /gives different keys/,
    () =>
      env(2)
        .fromSequence(1, 1_000)
        .keyBy(fickle())
        .process((n, context) => context.timerService().registerEventTimeTimer(n))
        .executeAndCollect(),
  ],
  [
    'no timestamp',
    'MR_TIME_INVALID',
    /Window.*found none; record 1/,
    () =>
      env()
        .fromSequence(1, 3)
        .keyBy(() => 1)
        .window(tumbling.eventTime(10))
        .reduce((a) => a)
        .executeAndCollect(),
  ],
  [
    'half a millisecond',
    'MR_TIME_INVALID',
    /found 1.5; record 1/,
    () =>
      env()
        .source(
          sequence(1, 3),
          stamped((n: number) => n + 0.5),
        )
        .executeAndCollect(),
  ],
  [
    'a timestamp that is no number',
    'MR_TIME_INVALID',
    /found NaN/,
    () =>
      env()
        .source(
          sequence(1, 3),
          stamped(() => Number.NaN),
        )
        .executeAndCollect(),
  ],
  [
    'a timestamp assigner that throws',
    'MR_USER_FUNCTION_FAILED',
    /timestamp assigner of Source.*boom, record 1/,
    () => env().source(sequence(1, 3), stamped(boom)).executeAndCollect(),
  ],
  [
    'a watermark generator that throws',
    'MR_USER_FUNCTION_FAILED',
    /record 1.*boom/,
    () =>
      env()
        .source(
          sequence(1, 3),
          WatermarkStrategy.forGenerator<number>(() => ({ onEvent: boom, onPeriodicEmit() {} })),
        )
        .executeAndCollect(),
  ],
  [
    'state without keys',
    'MR_STATE_NO_KEY',
    /Process uses keyed state or timers, but its input is not keyed/,
    () =>
      env()
        .fromSequence(1, 3)
        .process(process((c) => c.getState(valueState('x'))))
        .executeAndCollect(),
  ],
  [
    'timers without keys',
    'MR_STATE_NO_KEY',
    /Process uses keyed state or timers/,
    () =>
      env()
        .fromSequence(1, 3)
        .process((_n, c) => c.timerService().registerEventTimeTimer(1))
        .executeAndCollect(),
  ],
  [
    'state used in open',
    'MR_STATE_NO_KEY',
    /without a current key/,
    () =>
      byWord()
        .process(process((c) => c.getState(valueState<number>('x')).update(1)))
        .executeAndCollect(),
  ],
  [
    'a state of two types',
    'MR_STATE_CONFLICT',
    /"x" is declared as value<int32> and again as value<text>/,
    () =>
      byWord()
        .process(
          process((c) => void [c.getState(valueState('x', types.int32())), c.getState(valueState('x', types.text()))]),
        )
        .executeAndCollect(),
  ],
  [
    'a state of two kinds',
    'MR_STATE_CONFLICT',
    /again as map/,
    () =>
      byWord()
        .process(process((c) => void [c.getState(valueState('x')), c.getMapState(mapState('x'))]))
        .executeAndCollect(),
  ],
  ['no session gap', 'MR_TIME_INVALID', /gap.*> 0, got 0/, () => session.eventTime(0)],
  [
    'no dynamic session gap',
    'MR_TIME_INVALID',
    /gap.*> 0, got 0.*record 1/,
    () =>
      byWord()
        .window(session.dynamicEventTime<number>(() => 0))
        .reduce((a) => a)
        .executeAndCollect(),
  ],
  [
    'a session gap that throws',
    'MR_USER_FUNCTION_FAILED',
    /session gap.*boom, record 1, key "word"/,
    () =>
      byWord()
        .window(session.dynamicEventTime<number>(boom))
        .reduce((a) => a)
        .executeAndCollect(),
  ],
  ['no slide', 'MR_TIME_INVALID', /slide 0/, () => sliding.eventTime(2, 0)],
  ['an offset beyond the size', 'MR_TIME_INVALID', /offset 5/, () => tumbling.eventTime(5, { offsetMs: 5 })],
  [
    'negative lateness',
    'MR_TIME_INVALID',
    /-1/,
    () =>
      windows()
        .allowedLateness(-1)
        .reduce((a) => a),
  ],
  ['a count window of nothing', 'MR_TIME_INVALID', /got 0/, () => byWord().countWindow(0)],
  [
    'sessions with a trigger that cannot merge',
    'MR_PLAN_INVALID',
    /no onMerge/,
    () =>
      byWord()
        .window(session.eventTime<number>(5))
        .trigger({ name: 't', ...idle } as never)
        .reduce((a) => a),
  ],
  [
    'a trigger that throws',
    'MR_USER_FUNCTION_FAILED',
    /trigger.onElement of Window.*boom, record 1, key "word", window "TimeWindow/,
    () =>
      windows()
        .trigger({ name: 't', ...idle, onElement: boom } as never)
        .reduce((a) => a)
        .executeAndCollect(),
  ],
  [
    'an evictor that throws',
    'MR_USER_FUNCTION_FAILED',
    /evictor of Window.*boom, key "word", window/,
    () =>
      windows()
        .evictor({ name: 'e', evictBefore: boom, evictAfter: boom } as never)
        .reduce((a) => a)
        .executeAndCollect(),
  ],
  [
    'a window’s reduce that throws',
    'MR_USER_FUNCTION_FAILED',
    /boom, record 2, key "word", window "TimeWindow{start=0, end=5}"/,
    () => windows().reduce(boom).executeAndCollect(),
  ],
  [
    'a window function that throws',
    'MR_USER_FUNCTION_FAILED',
    /process of Window.*boom, key "word", window/,
    () => windows().process(boom).executeAndCollect(),
  ],
  [
    'a timer that throws',
    'MR_USER_FUNCTION_FAILED',
    /onTimer\(3\) of Keyed Process.*boom, key "word"/,
    () =>
      byWord()
        .process({ processElement: (_n, c) => c.timerService().registerEventTimeTimer(3), onTimer: boom })
        .executeAndCollect(),
  ],
  [
    'an open that throws',
    'MR_USER_FUNCTION_FAILED',
    /open of Map\[0\] threw: boom/,
    () =>
      numbers()
        .map({ open: boom, map: (n: number) => n })
        .executeAndCollect(),
  ],
  [
    'text that is thrown',
    'MR_USER_FUNCTION_FAILED',
    /'Map'.*record 1: just text/,
    () =>
      numbers()
        .map(() => {
          throw 'just text'
        })
        .executeAndCollect(),
  ], // oxlint-disable-line no-throw-literal
  [
    'a sum of texts',
    'MR_DATA_TYPE_MISMATCH',
    /sum needs numbers.*"v".*"a" and "b"/,
    () =>
      env()
        .fromElements({ k: 1, v: 'a' }, { k: 1, v: 'b' })
        .keyBy('k')
        .sum('v' as never)
        .executeAndCollect(),
  ],
  [
    'a channel that is not there',
    'MR_USER_FUNCTION_FAILED',
    /custom partitioner must give a whole number in 0 … 1, got 7/,
    () =>
      env(2)
        .fromSequence(1, 3)
        .partitionCustom(
          () => 7,
          (n: number) => n,
        )
        .map((n) => n)
        .executeAndCollect(),
  ],
  ['nothing to do', 'MR_PLAN_INVALID', /no operators/, () => env().execute()],
]

it.each(cases)('%s: %s', async (_name, code, message, program) => {
  const failed = (async () => program())()
  await expect(failed).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
})

it('what Flink takes, though it looks wrong, is taken: negative times, watermarks that fall, a slide beyond the size', async () => {
  const negative = env().source(
    sequence(-7, 3),
    stamped((n: number) => n),
  )
  const sums = negative
    .keyBy(() => 1)
    .window(tumbling.eventTime(5))
    .reduce((a, b) => a + b)
  expect(await sums.executeAndCollect()).toEqual([-13, -15, 6])
  const falling = WatermarkStrategy.forGenerator<number>(() => ({
    onEvent: (n, _timestampMs, output) => output.emitWatermark(10 - n),
    onPeriodicEmit() {},
  }))
  expect(await env().source(sequence(1, 5), falling).executeAndCollect()).toEqual([1, 2, 3, 4, 5])
  const sparse = env().source(
    sequence(0, 9),
    stamped((n: number) => n),
  )
  const some = sparse
    .keyBy(() => 1)
    .window(sliding.eventTime(2, 5))
    .reduce((a, b) => a + b)
  expect(await some.executeAndCollect()).toEqual([1, 11])
})
