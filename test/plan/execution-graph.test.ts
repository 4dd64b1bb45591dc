import { describe, expect, it } from 'vitest'
import { executionGraph } from '../../src/plan/execution-graph.ts'
import { lines, plan } from './support.ts'

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

  it('connects forward pointwise, rescale in groups, everything else all to all', () => {
    expect(pairs(2, 4, 'rescale')).toEqual(['00', '01', '12', '13'])
    expect(pairs(4, 2, 'rescale')).toEqual(['00', '10', '21', '31'])
    expect(pairs(2, 3, 'rescale')).toEqual(['00', '01', '12'])
    expect(pairs(3, 2, 'rescale')).toEqual(['00', '10', '21'])
    expect(pairs(2, 2, 'rebalance')).toEqual(['00', '01', '10', '11'])
  })
})
