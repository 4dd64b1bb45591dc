/**
 * Collects what the program says and makes the StreamGraph of it, with everything resolved that the program left open:
 * parallelism (operator, else the job's) and partitioning (forward between equal parallelisms, else rebalance).
 * Drafts are mutable until `build`. A later `build` takes the nodes added since, and all that those read from (Flink's
 * rule for programs that execute several times).
 */
import type { Configuration } from '../common/configuration.ts'
import { configOptions } from '../common/config-options.ts'
import { MillraceError } from '../common/errors.ts'
import { maxParallelismMax } from '../common/limits.ts'
import type { TypeInformation } from '../data/types.ts'
import type { OutputTag } from '../operators/output-tag.ts'
import type { NodeBody, Partitioning, StreamEdge, StreamGraph, StreamNode } from './stream-graph.ts'

export interface DraftNode {
  readonly id: number
  readonly body: NodeBody
  name: string
  description: string | undefined
  uid: string | undefined
  parallelism: number | undefined
  maxParallelism: number | undefined
  chaining: StreamNode['chaining']
  /** Undefined: that of the inputs where they agree, else `default`. */
  slotSharingGroup: string | undefined
  bufferTimeoutMs: number | undefined
  outputType: TypeInformation<unknown> | undefined
  readonly inputs: readonly DraftEdge[]
  /** Set where the operator can only run with one subtask (windowAll, a socket). */
  readonly parallelismMax: number
}

/** One way into a node: which node's output, or side output, and how it is dealt out. */
export interface Upstream {
  readonly node: DraftNode
  readonly sideOutput: OutputTag<unknown> | undefined
  readonly partitioning: Partitioning | undefined
}

export interface DraftEdge extends Upstream {
  readonly inputIndex: 0 | 1
}

export interface NodeOptions {
  readonly outputType?: TypeInformation<unknown> | undefined
  readonly chaining?: StreamNode['chaining']
  readonly parallelism?: number
  readonly parallelismMax?: number | undefined
}

export interface BuildOptions {
  readonly jobName: string
  readonly configuration: Configuration
  readonly parallelism: number
}

export class StreamGraphBuilder {
  readonly #drafts: DraftNode[] = []
  #builtCount = 0

  /** `inputs[0]` holds the ways into the first input, `inputs[1]` those into the second. */
  add(
    name: string,
    body: NodeBody,
    inputs: readonly (readonly Upstream[])[] = [],
    options: NodeOptions = {},
  ): DraftNode {
    const draft: DraftNode = {
      id: this.#drafts.length + 1,
      body,
      name,
      description: undefined,
      uid: undefined,
      parallelism: options.parallelism,
      maxParallelism: undefined,
      chaining: options.chaining ?? 'always',
      slotSharingGroup: undefined,
      bufferTimeoutMs: undefined,
      outputType: options.outputType,
      inputs: inputs.flatMap((ways, inputIndex) => ways.map((way) => ({ ...way, inputIndex: inputIndex as 0 | 1 }))),
      parallelismMax: options.parallelismMax ?? Infinity,
    }
    this.#drafts.push(draft)
    return draft
  }

  build(options: BuildOptions): StreamGraph {
    const graph = this.preview(options)
    this.#builtCount = this.#drafts.length
    return graph
  }

  /** What `build` would make; the nodes stay new. */
  preview({ jobName, configuration, parallelism }: BuildOptions): StreamGraph {
    const drafts = this.#fresh()
    if (drafts.length === 0) {
      throw new MillraceError('MR_PLAN_INVALID', `job '${jobName}' has no operators: start with env.source(…)`)
    }
    checkParallelism(parallelism, maxParallelismMax, 'the job')
    const made = new Map<DraftNode, StreamNode>()
    for (const draft of drafts) made.set(draft, resolve(draft, made, parallelism))
    const nodes = [...made.values()]
    checkUids(nodes)
    return {
      jobName,
      nodes,
      runtimeMode: configuration.get(configOptions.runtimeMode),
      configuration: configuration.toPlain(),
    }
  }

  /** In order of creation. */
  #fresh(): DraftNode[] {
    const wanted = new Set<DraftNode>()
    const add = (draft: DraftNode): void => {
      if (wanted.has(draft)) return
      wanted.add(draft)
      for (const input of draft.inputs) add(input.node)
    }
    for (const draft of this.#drafts.slice(this.#builtCount)) add(draft)
    return this.#drafts.filter((draft) => wanted.has(draft))
  }
}

/** `made` holds the nodes of the draft's inputs: they are always created before it. */
function resolve(draft: DraftNode, made: ReadonlyMap<DraftNode, StreamNode>, defaultParallelism: number): StreamNode {
  const parallelism = resolveParallelism(draft, defaultParallelism)
  const node: StreamNode = {
    id: made.size + 1,
    body: draft.body,
    name: draft.name,
    description: draft.description,
    uid: draft.uid,
    parallelism,
    maxParallelism: draft.maxParallelism,
    chaining: draft.chaining,
    slotSharingGroup: draft.slotSharingGroup ?? inheritedGroup(draft, made),
    bufferTimeoutMs: draft.bufferTimeoutMs,
    outputType: draft.outputType,
    inputs: [],
    outputs: [],
  }
  for (const input of draft.inputs) {
    const source = made.get(input.node)!
    const edge: StreamEdge = {
      source,
      target: node,
      inputIndex: input.inputIndex,
      partitioning: input.partitioning ?? { kind: source.parallelism === parallelism ? 'forward' : 'rebalance' },
      sideOutput: input.sideOutput,
    }
    if (edge.partitioning.kind === 'forward' && source.parallelism !== parallelism) {
      throw new MillraceError(
        'MR_PLAN_INVALID',
        `forward from '${source.name}' (parallelism ${source.parallelism}) to '${node.name}' (parallelism ${parallelism}) needs equal parallelisms; use rebalance() or rescale()`,
      )
    }
    source.outputs.push(edge)
    node.inputs.push(edge)
  }
  return node
}

function resolveParallelism(draft: DraftNode, defaultParallelism: number): number {
  const parallelismMax = Math.min(draft.parallelismMax, draft.maxParallelism ?? maxParallelismMax)
  if (draft.parallelism === undefined) return Math.min(defaultParallelism, parallelismMax)
  checkParallelism(draft.parallelism, parallelismMax, `operator '${draft.name}'`)
  return draft.parallelism
}

function inheritedGroup(draft: DraftNode, made: ReadonlyMap<DraftNode, StreamNode>): string {
  const groups = new Set(draft.inputs.map((input) => made.get(input.node)!.slotSharingGroup))
  return groups.size === 1 ? [...groups][0]! : 'default'
}

function checkUids(nodes: readonly StreamNode[]): void {
  const owners = new Map<string, StreamNode>()
  for (const node of nodes) {
    if (node.uid === undefined) continue
    const owner = owners.get(node.uid)
    if (owner !== undefined) {
      throw new MillraceError(
        'MR_PLAN_INVALID',
        `uid '${node.uid}' is used by '${owner.name}' and by '${node.name}'; each operator needs its own`,
      )
    }
    owners.set(node.uid, node)
  }
}

/** MR_PLAN_PARALLELISM unless a whole number in 1 … max. */
export function checkParallelism(parallelism: number, max: number, of: string): void {
  if (Number.isInteger(parallelism) && parallelism >= 1 && parallelism <= max) return
  throw new MillraceError(
    'MR_PLAN_PARALLELISM',
    `parallelism of ${of} must be a whole number between 1 and ${max}, got ${parallelism}`,
  )
}
