import { describe, expect, it } from 'vitest'
import type { StreamExecutionEnvironment } from '../../src/api/environment.ts'
import { types } from '../../src/data/types.ts'
import { outputTag } from '../../src/operators/output-tag.ts'
import { tumbling } from '../../src/windows/assigners/tumbling.ts'
import { lines, nowhere, plan, shape } from './support.ts'

describe('chaining', () => {
  it('fuses forward edges of equal parallelism into one vertex', () => {
    const graph = plan((env) => {
      env
        .source(lines())
        .map((line) => line.count)
        .filter((count) => count > 0)
        .sinkTo(nowhere())
    })
    expect(shape(graph)).toEqual(['Source: lines -> Map -> Filter -> Sink: nowhere x2'])
  })

  it('cuts at a keyBy edge, and not where both sides have parallelism 1', () => {
    const build = (parallelism: number, configuration = {}) =>
      plan(
        (env) => {
          env
            .source(lines())
            .rebalance()
            .map((line) => line)
            .sinkTo(nowhere())
          const keyed = env.source(lines()).keyBy('word')
          keyed.context.graph.add('Reduce', { kind: 'inline', stage: { kind: 'map', apply: (x) => x } }, [
            keyed.upstreams,
          ])
        },
        parallelism,
        configuration,
      )
    expect(shape(build(2))).toContain('Reduce x2 <- hash 2')
    expect(shape(build(1))).toContain('Source: lines -> Reduce x1')
    const off = { 'pipeline.operator-chaining.chain-hash-at-parallelism-one': false }
    expect(shape(build(1, off))).toContain('Reduce x1 <- hash 2')
  })

  it('cuts where an operator asks for it', () => {
    const graph = plan((env) => {
      const source = env.source(lines())
      source
        .map((x) => x)
        .name('A')
        .map((x) => x)
        .name('B')
        .startNewChain()
        .map((x) => x)
        .name('C')
        .map((x) => x)
        .name('D')
        .disableChaining()
        .map((x) => x)
        .name('E')
    })
    expect(shape(graph)).toEqual([
      'Source: lines -> A x2',
      'B -> C x2 <- forward 0',
      'D x2 <- forward 1',
      'E x2 <- forward 2',
    ])
  })

  it('cuts at unions, at other groups and where chaining is off', () => {
    const union = plan(
      (env) =>
        void env
          .source(lines())
          .union(env.source(lines()))
          .map((x) => x),
    )
    expect(shape(union)).toEqual(['Source: lines x2', 'Source: lines x2', 'Map x2 <- forward 0, forward 1'])
    const group = plan(
      (env) =>
        void env
          .source(lines())
          .map((x) => x)
          .slotSharingGroup('other')
          .filter(Boolean),
    )
    expect(shape(group)).toEqual(['Source: lines x2', 'Map -> Filter x2 <- forward 0'])
    const off = plan((env) => void env.source(lines()).map((x) => x), 2, {
      'pipeline.operator-chaining.enabled': false,
    })
    expect(shape(off)).toEqual(['Source: lines x2', 'Map x2 <- forward 0'])
  })

  it('chains branches and side outputs as a tree', () => {
    const graph = plan((env) => {
      const source = env.source(lines())
      source.map((x) => x).sinkTo(nowhere())
      source.getSideOutput(outputTag<string>('bad')).filter((text) => text !== '')
    })
    expect(shape(graph)).toEqual(['Source: lines -> (Map -> Sink: nowhere, Filter) x2'])
    expect(graph.vertices[0]!.nodes.at(-1)!.inputs[0]!.sideOutput?.id).toBe('bad')
  })
})

describe('partitioning', () => {
  it('defaults to forward between equal parallelisms and to rebalance otherwise', () => {
    const graph = plan(
      (env) =>
        void env
          .source(lines({ maxParallelism: 1 }))
          .map((x) => x)
          .filter(Boolean)
          .setParallelism(3),
      2,
    )
    expect(shape(graph)).toEqual(['Source: lines x1', 'Map x2 <- rebalance 0', 'Filter x3 <- rebalance 1'])
  })

  it('keeps what the program says', () => {
    const graph = plan((env) => {
      const source = env.source(lines())
      source.rescale().map((x) => x)
      source.shuffle().map((x) => x)
      source.broadcast().map((x) => x)
      source.global().map((x) => x)
      source.partitionCustom((key: string) => key.length % 2, 'word').map((x) => x)
    })
    expect(graph.edges.map(({ edge }) => edge.partitioning.kind)).toEqual([
      'rescale',
      'shuffle',
      'broadcast',
      'global',
      'custom',
    ])
  })

  it('refuses forward between different parallelisms', () => {
    const build = () =>
      plan(
        (env) =>
          void env
            .source(lines())
            .setParallelism(2)
            .forward()
            .map((x) => x)
            .setParallelism(3),
      )
    expect(build).toThrow(expect.objectContaining({ code: 'MR_PLAN_INVALID' }))
  })
})

describe('parallelism', () => {
  it('comes from the operator, then the program, then the command line', () => {
    const graph = plan(
      (env) =>
        void env
          .setParallelism(3)
          .source(lines())
          .map((x) => x)
          .setParallelism(4),
      2,
    )
    expect(graph.vertices.map((vertex) => vertex.parallelism)).toEqual([3, 4])
  })

  it.each([0, 1.5, 40_000, Number.NaN])('refuses %d', (parallelism) => {
    expect(() => plan((env) => void env.source(lines()).setParallelism(parallelism))).toThrow(
      expect.objectContaining({ code: 'MR_PLAN_PARALLELISM' }),
    )
    expect(() => plan((env) => void env.source(lines()), parallelism)).toThrow(
      expect.objectContaining({ code: 'MR_PLAN_PARALLELISM' }),
    )
  })

  it('may not exceed the maximum, of which the default follows the rule', () => {
    expect(() => plan((env) => void env.setMaxParallelism(4).source(lines()), 5)).toThrow(
      expect.objectContaining({ code: 'MR_PLAN_PARALLELISM' }),
    )
    const maxima = [1, 85, 86, 200, 32_768].map(
      (p) => plan((env) => void env.source(lines()), p).vertices[0]!.maxParallelism,
    )
    expect(maxima).toEqual([128, 128, 256, 512, 32_768])
  })
})

describe('the runtime mode', () => {
  const mode = (boundedness: 'bounded' | 'unbounded', asked?: 'automatic' | 'batch') =>
    plan((env) => {
      if (asked) env.setRuntimeMode(asked)
      env.source(lines({ boundedness }))
    }).mode

  it('is streaming unless asked otherwise; automatic is batch where all sources are bounded', () => {
    expect(mode('bounded')).toBe('streaming')
    expect(mode('bounded', 'batch')).toBe('batch')
    expect(mode('bounded', 'automatic')).toBe('batch')
    expect(mode('unbounded', 'automatic')).toBe('streaming')
  })
})

describe('invalid programs', () => {
  it('an empty one', () => {
    expect(() => plan(() => {})).toThrow(expect.objectContaining({ code: 'MR_PLAN_INVALID' }))
  })
  it('a uid used twice', () => {
    const build = () =>
      plan(
        (env) =>
          void env
            .source(lines())
            .uid('a')
            .map((x) => x)
            .uid('a'),
      )
    expect(build).toThrow("uid 'a' is used by 'Source: lines' and by 'Map'")
  })
  it('an async one', () => {
    const build = (async () => {}) as () => void
    expect(() => plan(build)).toThrow(expect.objectContaining({ code: 'MR_JOB_MODULE_FAILED' }))
  })
  it('one that throws', () => {
    const build = () => {
      throw new TypeError('oh')
    }
    expect(() => plan(build)).toThrow(expect.objectContaining({ code: 'MR_JOB_MODULE_FAILED', message: 'oh' }))
  })
})

describe('windows in two phases', () => {
  const windowed = (settings: Partial<{ hasLateTag: boolean; isTyped: boolean; isRich: boolean }> = {}) => {
    const { hasLateTag = false, isTyped = true, isRich = false } = settings
    const count = {
      createAccumulator: () => 0,
      add: (_: unknown, total: number) => total + 1,
      merge: (left: number, right: number) => left + right,
      getResult: (total: number) => total,
      ...(isTyped && { accumulatorType: types.float64() }),
      ...(isRich && { open: () => {} }),
    }
    return (env: StreamExecutionEnvironment) => {
      const windows = env.source(lines()).keyBy('word').window(tumbling.eventTime(1_000))
      const late = hasLateTag ? windows.sideOutputLateData(outputTag('late')) : windows
      late.aggregate(count).sinkTo(nowhere())
    }
  }
  const key = 'table.optimizer.agg-phase-strategy'

  it('fold records before they travel, in the chain that produces them', () => {
    expect(shape(plan(windowed()))).toEqual([
      'Source: lines -> Local(Window(TumblingEventTimeWindows(1000), EventTimeTrigger())) x2',
      'Window(TumblingEventTimeWindows(1000), EventTimeTrigger()) -> Sink: nowhere x2 <- hash 0',
    ])
  })

  it('are one phase where nothing travels, or somebody says so', () => {
    const one = ['Source: lines -> Window(TumblingEventTimeWindows(1000), EventTimeTrigger()) -> Sink: nowhere x1']
    expect(shape(plan(windowed(), 1))).toEqual(one)
    expect(shape(plan(windowed(), 1, { [key]: 'TWO_PHASE' }))[0]).toContain('Local(')
    expect(shape(plan(windowed(), 2, { [key]: 'ONE_PHASE' }))[0]).toBe('Source: lines x2')
    // What an unaligned checkpoint keeps of the edge must fit it at any parallelism.
    expect(shape(plan(windowed(), 1, { 'execution.checkpointing.unaligned.enabled': true }))[0]).toContain('Local(')
  })

  it('are one phase where the second would not see what it has to', () => {
    for (const settings of [{ hasLateTag: true }, { isTyped: false }, { isRich: true }]) {
      expect(shape(plan(windowed(settings)))[0], JSON.stringify(settings)).toBe('Source: lines x2')
    }
  })

  it('keep the ids of all given operators', () => {
    const idsOf = (configuration: Record<string, string>): Set<string> =>
      new Set(plan(windowed(), 2, configuration).operatorIds.values())
    expect(idsOf({ [key]: 'AUTO' }).isSupersetOf(idsOf({ [key]: 'ONE_PHASE' }))).toBe(true)
  })
})
