import { describe, expect, it } from 'vitest'
import { executionGraph } from '../../src/plan/execution-graph.ts'
import type { StreamExecutionEnvironment } from '../../src/api/environment.ts'
import type { JobGraph } from '../../src/plan/job-graph.ts'
import { lines, nowhere, plan } from './support.ts'

const pairs = (sources: number, targets: number, way: 'rescale' | 'rebalance'): string[] => {
  const graph = plan(
    (env) =>
      void env
        .source(lines())
        .setParallelism(sources)
        [way]()
        .map((x) => x)
        .setParallelism(targets),
  )
  return executionGraph(graph).channels.map((channel) => `${channel.sourceSubtask}${channel.targetSubtask}`)
}

describe('the execution graph', () => {
  it('gives slot i subtask i of every vertex of a group, and groups slots of their own', () => {
    const graph = executionGraph(
      plan((env) => {
        const source = env.source(lines())
        source
          .startNewChain()
          .map((x) => x)
          .setParallelism(3)
        source.map((x) => x).slotSharingGroup('other')
      }),
    )
    expect(graph.slotCount).toBe(5)
    expect(
      graph.subtasks.map(({ vertexIndex, subtaskIndex, slot }) => `${vertexIndex}.${subtaskIndex}@${slot}`),
    ).toEqual(['0.0@0', '0.1@1', '1.0@0', '1.1@1', '1.2@2', '2.0@3', '2.1@4'])
    expect(graph.channels.map((channel) => channel.id)).toEqual(graph.channels.map((_, index) => index))
    expect(graph.channels.at(-1)).toEqual({
      id: 7,
      edgeIndex: 1,
      sourceSubtask: 1,
      targetSubtask: 1,
      producerSlot: 1,
      consumerSlot: 4,
    })
  })

  it('has a region for everything that exchanges records, and for each subtask where nothing does', () => {
    const regionsOf = (graph: JobGraph): string[] =>
      executionGraph(graph).regions.map(({ subtasks, slots, channels }) => {
        const names = subtasks.map(({ vertexIndex, subtaskIndex }) => `${vertexIndex}.${subtaskIndex}`)
        return `${names.join(' ')} @${slots.join(',')} #${channels.join(',')}`
      })
    const keyed = (env: StreamExecutionEnvironment): void => {
      const source = env.source(lines())
      source.keyBy('word').sum('count').sinkTo(nowhere())
    }
    expect(regionsOf(plan(keyed))).toEqual(['0.0 0.1 1.0 1.1 @0,1 #0,1,2,3'])
    expect(regionsOf(plan((env) => void env.source(lines()).sinkTo(nowhere())))).toEqual(['0.0 @0 #', '0.1 @1 #'])
    const both = plan((env) => {
      keyed(env)
      env
        .source(lines())
        .slotSharingGroup('other')
        .map((line) => line)
        .startNewChain()
        .sinkTo(nowhere())
    })
    expect(regionsOf(both)).toEqual(['0.0 0.1 1.0 1.1 @0,1 #0,1,2,3', '2.0 3.0 @2 #4', '2.1 3.1 @3 #5'])
  })

  it('connects forward pointwise, rescale in groups, everything else all to all', () => {
    expect(pairs(2, 4, 'rescale')).toEqual(['00', '01', '12', '13'])
    expect(pairs(4, 2, 'rescale')).toEqual(['00', '10', '21', '31'])
    expect(pairs(2, 3, 'rescale')).toEqual(['00', '01', '12'])
    expect(pairs(3, 2, 'rescale')).toEqual(['00', '10', '21'])
    expect(pairs(2, 2, 'rebalance')).toEqual(['00', '01', '10', '11'])
  })
})
