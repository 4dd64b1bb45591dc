import { expect, it } from 'vitest'
import type { StreamExecutionEnvironment } from '../../src/api/environment.ts'
import { outputTag } from '../../src/operators/output-tag.ts'
import { explainJson } from '../../src/plan/explain-json.ts'
import { explainMermaid } from '../../src/plan/explain-mermaid.ts'
import { explainText } from '../../src/plan/explain-text.ts'
import { lines, nowhere, plan } from './support.ts'

function wordCount(env: StreamExecutionEnvironment): void {
  const counts = env
    .source(lines())
    .uid('lines')
    .map((line) => ({ word: line.word.toLowerCase(), count: 1 }))
    .setDescription('lower "case"')
    .keyBy('word')
    .sum('count')
  counts.sinkTo(nowhere())
  counts.getSideOutput(outputTag<string>('late')).rebalance().filter(Boolean).slotSharingGroup('side')
  env
    .source(lines({ name: 'rules', maxParallelism: 1 }))
    .connect(counts)
    .map({ map1: (line) => line.word, map2: (count) => count.word })
    .setMaxParallelism(64)
}

it('prints the three graphs as text', () => {
  expect(explainText(plan(wordCount, 2, { 'execution.buffer-timeout.interval': '5 ms' }))).toMatchInlineSnapshot(`
    "Job 'plan', streaming mode, fingerprint 9d7c881b4d4fd042125d45168d388ccb
      execution.buffer-timeout.interval = 5 ms

    Stream graph: 7 operators
      1: Source: lines
      2: Map "lower "case"" <- 1 forward
      3: Keyed Aggregation <- 2 hash
      4: Sink: nowhere <- 3 forward
      5: Filter <- 3 side output 'late' rebalance
      6: Source: rules
      7: Co-Map <- 6 rebalance, 3 forward

    Job graph: 5 vertices, 4 exchanges
      vertex 0: parallelism 2 of 128, id e508d791c89f9a78348b454c283efcfa
        Source: lines (uid lines)
          └ Map
      vertex 1: parallelism 2 of 128, id 494c04682b2dda0f0ce24fb06fb88ea4
        <= vertex 0, hash
        Keyed Aggregation
          └ Sink: nowhere
      vertex 2: parallelism 2 of 128, group 'side', id 2f20ddf6fde86bfc301d85d76b8563a2
        <= vertex 1, rebalance, side output 'late'
        Filter
      vertex 3: parallelism 1 of 128, id 298e0f3a1a2678038e772757ebcf4804
        Source: rules
      vertex 4: parallelism 2 of 64, id 244d36cbd15acbe93032aa6c25053119
        <= vertex 3, rebalance
        <= vertex 1, forward, second input
        Co-Map

    Execution graph: 9 subtasks in 4 slots, 12 channels (7 between slots)
      slot 0: 0[0] 1[0] 3[0] 4[0]
      slot 1: 0[1] 1[1] 4[1]
      slot 2: 2[0]
      slot 3: 2[1]
    Failover: one pipelined region, the whole job
    "
  `)
})

it('prints what batch mode adds', () => {
  const batch = explainText(
    plan((env) => void env.setRuntimeMode('automatic').source(lines()).keyBy('word').sum('count').sinkTo(nowhere())),
  )
  expect(batch.split('\n').filter((line) => !line.includes('id ') && !line.includes('fingerprint')))
    .toMatchInlineSnapshot(`
      [
        "  execution.runtime-mode = automatic",
        "",
        "Stream graph: 4 operators",
        "  1: Source: lines",
        "  2: Keyed Aggregation <- 4 hash",
        "  3: Sink: nowhere <- 2 forward",
        "  4: Combine(Keyed Aggregation) <- 1 forward",
        "",
        "Job graph: 2 vertices, 1 exchange",
        "    Source: lines",
        "      └ Combine(Keyed Aggregation)",
        "    <= vertex 0, hash",
        "    Keyed Aggregation",
        "      └ Sink: nowhere",
        "",
        "Execution graph: 4 subtasks in 2 slots, 4 channels (2 between slots)",
        "  slot 0: 0[0] 1[0]",
        "  slot 1: 0[1] 1[1]",
        "Failover: one pipelined region, the whole job",
        "",
      ]
    `)
})

it("prints Flink's plan JSON", () => {
  expect(JSON.stringify(explainJson(plan(wordCount)), undefined, 1)).toMatchInlineSnapshot(`
    "{
     "nodes": [
      {
       "id": 1,
       "type": "Source: lines",
       "pact": "Data Source",
       "contents": "Source: lines",
       "parallelism": 2
      },
      {
       "id": 2,
       "type": "Map",
       "pact": "Operator",
       "contents": "lower \\"case\\"",
       "parallelism": 2,
       "predecessors": [
        {
         "id": 1,
         "ship_strategy": "FORWARD",
         "side": "second"
        }
       ]
      },
      {
       "id": 3,
       "type": "Keyed Aggregation",
       "pact": "Operator",
       "contents": "Keyed Aggregation",
       "parallelism": 2,
       "predecessors": [
        {
         "id": 2,
         "ship_strategy": "HASH",
         "side": "second"
        }
       ]
      },
      {
       "id": 4,
       "type": "Sink: nowhere",
       "pact": "Data Sink",
       "contents": "Sink: nowhere",
       "parallelism": 2,
       "predecessors": [
        {
         "id": 3,
         "ship_strategy": "FORWARD",
         "side": "second"
        }
       ]
      },
      {
       "id": 5,
       "type": "Filter",
       "pact": "Operator",
       "contents": "Filter",
       "parallelism": 2,
       "predecessors": [
        {
         "id": 3,
         "ship_strategy": "REBALANCE",
         "side": "second"
        }
       ]
      },
      {
       "id": 6,
       "type": "Source: rules",
       "pact": "Data Source",
       "contents": "Source: rules",
       "parallelism": 1
      },
      {
       "id": 7,
       "type": "Co-Map",
       "pact": "Operator",
       "contents": "Co-Map",
       "parallelism": 2,
       "predecessors": [
        {
         "id": 6,
         "ship_strategy": "REBALANCE",
         "side": "first"
        },
        {
         "id": 3,
         "ship_strategy": "FORWARD",
         "side": "second"
        }
       ]
      }
     ],
     "regions": [
      {
       "id": 0,
       "subtasks": [
        {
         "node": 1,
         "subtask": 0
        },
        {
         "node": 1,
         "subtask": 1
        },
        {
         "node": 3,
         "subtask": 0
        },
        {
         "node": 3,
         "subtask": 1
        },
        {
         "node": 5,
         "subtask": 0
        },
        {
         "node": 5,
         "subtask": 1
        },
        {
         "node": 6,
         "subtask": 0
        },
        {
         "node": 7,
         "subtask": 0
        },
        {
         "node": 7,
         "subtask": 1
        }
       ]
      }
     ]
    }"
  `)
})

it('prints a Mermaid flow chart', () => {
  expect(explainMermaid(plan(wordCount))).toMatchInlineSnapshot(`
    "flowchart LR
      subgraph v0["0: parallelism 2"]
        n1(["Source: lines"])
        n2["lower &quot;case&quot;"]
      end
      subgraph v1["1: parallelism 2"]
        n3["Keyed Aggregation"]
        n4[["Sink: nowhere"]]
      end
      subgraph v2["2: parallelism 2"]
        n5["Filter"]
      end
      subgraph v3["3: parallelism 1"]
        n6(["Source: rules"])
      end
      subgraph v4["4: parallelism 2"]
        n7["Co-Map"]
      end
      n1 --> n2
      n2 ==>|"HASH"| n3
      n3 --> n4
      n3 ==>|"REBALANCE, side: late"| n5
      n6 ==>|"REBALANCE"| n7
      n3 ==>|"FORWARD"| n7
    "
  `)
})

it('says where a source delivers at most once', () => {
  const job = plan((env) => void env.socketTextStream('localhost', 9999).sinkTo(nowhere()))
  expect(explainText(job)).toContain('1: Source: socketText(localhost:9999) (at most once)')
  expect(explainMermaid(job)).toContain('Source: socketText(localhost:9999)<br/>at most once')
  expect(explainJson(job).nodes[0]?.contents).toBe('Source: socketText(localhost:9999) (at most once)')
})
