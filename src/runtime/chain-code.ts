/**
 * Generates the code of a chain: the loop over a batch, and a `collect` for every operator that calls downstream. Every
 * piece is a fresh function, so that V8 sees one target at each call site and can inline the user's functions.
 * Cold (at start and per new batch shape); what it makes is the hottest code there is.
 */
import type { BatchReader } from '../exchange/channel.ts'
import { taskMetric } from '../metrics/shared-metrics.ts'
import type { EmitCode } from '../exchange/edge-writer.ts'
import type { AroundElement, Operator } from '../operators/operator.ts'
import type { StreamEdge, StreamNode } from '../plan/stream-graph.ts'
import type { ChainParts } from './chain.ts'
import { KeyedStage, stageRecords } from './keyed-stage.ts'

export interface ChainCodeHooks {
  fail(error: unknown, node: StreamNode, value: unknown): Error
}

type Collect = (value: unknown) => void

export class ChainCode {
  readonly #parts: ChainParts
  readonly #hooks: ChainCodeHooks
  readonly #nodes: readonly StreamNode[]
  /** Uint8Array[1]: not 0 since something went out that may have made an output full; loops look no further before. */
  readonly #touched = new Uint8Array(1)

  /** Int32Array[1]: how many watermarks wait in the chain. */
  readonly held: Int32Array = new Int32Array(1)

  /** Stages by node id. */
  readonly stages: Map<number, KeyedStage> = new Map()

  constructor(parts: ChainParts, hooks: ChainCodeHooks) {
    this.#parts = parts
    this.#hooks = hooks
    this.#nodes = parts.vertex.nodes
  }

  /** The chain may have become full other than by a record going out. */
  touch(): void {
    this.#touched[0] = 1
  }

  /** The loop over rows `from` … `to` - 1 of a batch of one shape: answers the index of the first row not taken. */
  loop(input: 0 | 1): (batch: BatchReader, from: number, to: number) => number {
    const scope = new CodeScope()
    const head = this.#nodes[0]!
    const body = this.#enter(head, 'v', input, scope)
    return this.#bindings(scope).make(
      'processRows',
      `let i = from
try {
  while (i < to) {
    const v = batch.read(i)
    record.timestampMs = batch.timestampMs(i)
    i++
    ${body}
    ${this.#breakWhereFull(scope)}
  }
} catch (error) { throw fail(error, nodes[0]) }
return i`,
      ['batch', 'from', 'to'],
    ) as (batch: BatchReader, from: number, to: number) => number
  }

  /** True where the head is keyed and its state is touched ahead now: `stagedLoop` is for its batches. */
  stagesHead(): boolean {
    return this.stages.get(this.#nodes[0]!.id)?.touchesRows === true
  }

  /**
   * `loop` for a keyed head (input 0) whose state is larger than the caches: the keys of the next rows are read first and
   * their places touched in one go. Rows lie in the batch anyway, so none has to wait as an object.
   */
  stagedLoop(): (batch: BatchReader, from: number, to: number) => number {
    const scope = new CodeScope()
    const head = this.#nodes[0]!
    const selector = head.body.kind === 'operator' ? head.body.keySelectors?.[0] : undefined
    const key = `${scope.bind('key0', selector)}(v)`
    const operator = this.#parts.operators.get(head.id)!
    const call = `${scope.bind('state', this.#parts.keyedStates.get(head.id))}.setCurrentKey(keys[j++]); ${scope.bind('op', operator)}.processElement(v)`
    scope.bind(
      'keys',
      Array.from({ length: stageRecords }, () => 0),
    )
    return this.#bindings(scope).make(
      'processStagedRows',
      `let i = from
try {
  while (i < to) {
    const end = Math.min(i + ${stageRecords}, to)
    for (let row = i, j = 0; row < end; row++, j++) {
      const v = batch.read(row)
      ${this.#guarded(`keys[j] = ${key}`, head, 'v')}
    }
    state.touchKeys(keys, end - i)
    let j = 0
    while (i < end) {
      const v = batch.read(i)
      record.timestampMs = batch.timestampMs(i)
      i++
      ${this.#guarded(call, head, 'v')}${canBeFull(operator) ? 'touched[0] = 1' : ''}
      ${this.#breakWhereFull(scope, 'return i')}
    }
  }
} catch (error) { throw fail(error, nodes[0]) }
return i`,
      ['batch', 'from', 'to'],
    ) as (batch: BatchReader, from: number, to: number) => number
  }

  /** What an operator's `collect` does: everything downstream of `node` within the chain. */
  collector(node: StreamNode, sideOutputId: string | undefined): Collect {
    const scope = new CodeScope()
    const body = this.#deliver(node, 'v', sideOutputId, scope)
    return this.#bindings(scope).make('collect', body, ['v']) as Collect
  }

  /** What a source's `collect` and `collectAt` do: a source with a watermark strategy has an operator of its own first. */
  sourceCollector(): Collect {
    return this.#sourceCode(['v'], '') as Collect
  }

  sourceCollectorAt(): (value: unknown, timestampMs: number) => void {
    return this.#sourceCode(['v', 't'], 'record.timestampMs = t\n') as (value: unknown, timestampMs: number) => void
  }

  /**
   * What a source's `collectArray` does: the loop over values that lie in an array. Nothing follows the loop but its
   * return: V8 compiles it while it runs (on-stack replacement), and would throw that code away at anything after.
   */
  sourceArrayCollector(): (values: ArrayLike<unknown>, from: number, to: number) => number {
    const scope = new CodeScope()
    const code = `let i = from
while (i < to) {
  const v = values[i++]
  ${this.#fromSource(scope)}
  ${this.#breakWhereFull(scope)}
}
return i`
    const loop = this.#bindings(scope).make('collectArray', code, ['values', 'from', 'to']) as (
      values: ArrayLike<unknown>,
      from: number,
      to: number,
    ) => number
    const { cells } = this.#parts.metrics
    return (values, from, to) => {
      const end = loop(values, from, to)
      cells[taskMetric.numRecordsIn]! += end - from
      return end
    }
  }

  /** Code that hands a source's record `v` to what follows. */
  #fromSource(scope: CodeScope): string {
    const head = this.#nodes[0]!
    const hasOperator = this.#parts.operators.has(head.id)
    return hasOperator ? this.#enter(head, 'v', 0, scope) : this.#deliver(head, 'v', undefined, scope)
  }

  #sourceCode(parameters: readonly string[], before: string): unknown {
    const scope = new CodeScope()
    const cells = scope.bind('cells', this.#parts.metrics.cells)
    const body = this.#fromSource(scope)
    const code = `${before}${cells}[${taskMetric.numRecordsIn}]++\n${body}`
    return this.#bindings(scope).make('collectFromSource', code, parameters)
  }

  /** Hands a record to a node within the chain, as its producer would. */
  entry(node: StreamNode): (value: unknown, timestampMs: number) => void {
    const scope = new CodeScope()
    const code = `record.timestampMs = t\n${this.#enter(node, 'v', 0, scope)}`
    return this.#bindings(scope).make('enter', code, ['v', 't']) as (value: unknown, timestampMs: number) => void
  }

  collectorAt(node: StreamNode): (value: unknown, timestampMs: number) => void {
    const scope = new CodeScope()
    const body = this.#deliver(node, 'v', undefined, scope)
    // The operator may emit amid a record whose timestamp others still need.
    const code = `const saved = record.timestampMs\nrecord.timestampMs = t\n${body}\nrecord.timestampMs = saved`
    return this.#bindings(scope).make('collectAt', code, ['v', 't']) as (value: unknown, timestampMs: number) => void
  }

  /** True where any output of the chain is full. */
  outputsFullProbe(): () => boolean {
    const scope = new CodeScope()
    const tests = this.#fullTests(scope)
    return this.#probe(scope, tests.length === 0 ? ['false'] : tests)
  }

  /** True where a watermark waits in the chain or an output is full; of those below `node` only, where it is given. */
  fullProbe(node?: StreamNode): () => boolean {
    const scope = new CodeScope()
    return this.#probe(scope, [this.#heldTest(scope), ...this.#fullTests(scope, node)])
  }

  #probe(scope: CodeScope, tests: readonly string[]): () => boolean {
    return this.#bindings(scope).make('isFull', `return ${tests.join(' || ')}`, []) as () => boolean
  }

  #heldTest(scope: CodeScope): string {
    return `${scope.bind('held', this.held)}[0] !== 0`
  }

  #bindings(scope: CodeScope): CodeScope {
    scope.bind('record', this.#parts.record)
    scope.bind('nodes', this.#nodes)
    scope.bind('fail', this.#hooks.fail)
    scope.bind('touched', this.#touched)
    return scope
  }

  /**
   * A call into a node, with what it throws attributed to the node and the value at hand. Each call has a `try` of its
   * own: a shared one would have to keep the value of the moment in a variable, and V8 would box every number for it.
   */
  #guarded(call: string, node: StreamNode, value: string): string {
    return `try { ${call} } catch (error) { throw fail(error, nodes[${this.#nodes.indexOf(node)}], ${value}) }\n`
  }

  /** Code that hands `value` to `node`. */
  #enter(node: StreamNode, value: string, input: 0 | 1, scope: CodeScope): string {
    const operator = this.#parts.operators.get(node.id)
    if (operator?.around !== undefined && input === 0 && !this.#parts.keyedStates.has(node.id)) {
      return this.#around(node, operator, operator.around, value, scope)
    }
    if (operator !== undefined) {
      const method = input === 0 ? 'processElement' : 'processElement2'
      const name = scope.bind(`op${node.id}`, operator)
      const stage = input === 0 ? this.#stageOf(node) : undefined
      const key = this.#setKey(node, value, input, scope)
      const direct = `${key}${name}.${method}(${value})`
      const code = stage === undefined ? direct : this.#staged(node, stage, value, direct, scope)
      const call = this.#guarded(code, node, value)
      return canBeFull(operator) ? `${call}touched[0] = 1\n` : call
    }
    if (node.body.kind !== 'inline') return this.#deliver(node, value, undefined, scope)
    const { kind, apply } = node.body.stage
    const f = scope.bind(`f${node.id}`, apply)
    const out = `v${node.id}`
    const called = `let ${out}\n${this.#guarded(`${out} = ${f}(${value})`, node, value)}`
    if (kind === 'map') return `${called}${this.#deliver(node, out, undefined, scope)}`
    if (kind === 'filter') return `${called}if (${out}) {\n${this.#deliver(node, value, undefined, scope)}}\n`
    const items = out
    const item = `a${node.id}`
    const each = this.#deliver(node, item, undefined, scope)
    const j = `j${node.id}`
    const iterate = `for (const ${item} of ${items}) {\n${each}}`
    return `${called}if (Array.isArray(${items})) { for (let ${j} = 0; ${j} < ${items}.length; ${j}++) { const ${item} = ${items}[${j}]\n${each}} }
else if (${items} != null) { ${this.#guarded(iterate, node, value)}}\n`
  }

  /** An operator that passes each record on once: no call into it, no call out of it. */
  #around(node: StreamNode, operator: Operator, around: AroundElement, value: string, scope: CodeScope): string {
    const name = scope.bind(`op${node.id}`, operator)
    const time = `t${node.id}`
    const deliver = this.#deliver(node, value, undefined, scope)
    const code = `${around.before(name, value)}
const ${time} = record.timestampMs
${deliver}${around.after(name, value, time)}`
    return this.#guarded(code, node, value)
  }

  /** Hands the record to the stage while that is on. */
  #staged({ id, body }: StreamNode, stage: KeyedStage, value: string, direct: string, scope: CodeScope): string {
    const selector = body.kind === 'operator' ? body.keySelectors?.[0] : undefined
    const key = `${scope.bind(`key${id}_0`, selector)}(${value})`
    const name = scope.bind(`stage${id}`, stage)
    return `if (${name}.isOn) {
  const at = ${name}.count
  ${name}.keys[at] = ${key}; ${name}.values[at] = ${value}; ${name}.timestamps[at] = record.timestampMs
  ${name}.count = at + 1
  if (at === ${stageRecords - 1}) ${name}.empty()
} else { ${direct} }`
  }

  /** The stage before a keyed operator whose state can be touched ahead; made once per node. */
  #stageOf(node: StreamNode): KeyedStage | undefined {
    const state = this.#parts.keyedStates.get(node.id)
    const selector = node.body.kind === 'operator' ? node.body.keySelectors?.[0] : undefined
    if (state?.touchKeys === undefined || selector === undefined) return undefined
    let stage = this.stages.get(node.id)
    if (stage !== undefined) return stage
    this.stages.set(node.id, (stage = new KeyedStage(state, this.#parts.record)))
    const scope = new CodeScope()
    const operator = scope.bind(`op${node.id}`, this.#parts.operators.get(node.id))
    const call = `${scope.bind('state', state)}.setCurrentKey(k); ${operator}.processElement(v)`
    const code = this.#guarded(call, node, 'v')
    stage.process = this.#bindings(scope).make('processStaged', code, ['v', 'k']) as KeyedStage['process']
    return stage
  }

  /** A keyed operator finds its state under the record's key. */
  #setKey({ id, body }: StreamNode, value: string, input: 0 | 1, scope: CodeScope): string {
    const selector = body.kind === 'operator' ? body.keySelectors?.[input] : undefined
    const state = this.#parts.keyedStates.get(id)
    if (selector === undefined || state === undefined) return ''
    return `${scope.bind(`state${id}`, state)}.setCurrentKey(${scope.bind(`key${id}_${input}`, selector)}(${value})); `
  }

  /** Code that hands what `node` produced to every consumer, chained or behind an exchange. */
  #deliver(node: StreamNode, value: string, sideOutputId: string | undefined, scope: CodeScope): string {
    return node.outputs
      .filter((edge) => edge.sideOutput?.id === sideOutputId)
      .map((edge) => this.#deliverTo(edge, value, scope))
      .join('')
  }

  #deliverTo(edge: StreamEdge, value: string, scope: CodeScope): string {
    const output = this.#parts.outputs.get(edge)
    if (output === undefined) return this.#enter(edge.target, value, edge.inputIndex, scope)
    const call =
      output.code?.emit(this.#namesOf(edge, output.code, scope), value, 'record.timestampMs') ??
      `${scope.bind(this.#writerName(edge), output)}.emit(${value}, record.timestampMs)`
    return `${this.#guarded(call, edge.source, value)}touched[0] = 1\n`
  }

  /** What the bindings of an edge's code are called in the chain's. */
  #namesOf(edge: StreamEdge, { bindings }: EmitCode, scope: CodeScope): Record<string, string> {
    const bound = Object.entries(bindings).map(([name, value]) => [
      name,
      scope.bind(`${name}${this.#writerName(edge)}`, value),
    ])
    return Object.fromEntries(bound) as Record<string, string>
  }

  #writerName(edge: StreamEdge): string {
    return `w${edge.source.id}_${edge.source.outputs.indexOf(edge)}`
  }

  /** Chained nodes that get what `node` emits. */
  #nodesBelow(node: StreamNode): Set<StreamNode> {
    const below = new Set<StreamNode>()
    const descend = (from: StreamNode): void => {
      for (const edge of from.outputs) {
        if (this.#parts.outputs.has(edge) || below.has(edge.target)) continue
        below.add(edge.target)
        descend(edge.target)
      }
    }
    descend(node)
    return below
  }

  /** Of the whole chain, or of what lies below the operator of `asking`: its own buffer must not hold up its output. */
  #fullTests(scope: CodeScope, asking?: StreamNode): string[] {
    const tests: string[] = []
    const below = asking === undefined ? undefined : this.#nodesBelow(asking)
    for (const [edge, output] of this.#parts.outputs) {
      if (below !== undefined && edge.source !== asking && !below.has(edge.source)) continue
      const { code } = output
      const test = code?.isFull?.(this.#namesOf(edge, code, scope))
      tests.push(test ?? `${scope.bind(this.#writerName(edge), output)}.isFull()`)
    }
    for (const [id, operator] of this.#parts.operators) {
      const isBelow = below === undefined || [...below].some((node) => node.id === id)
      if (isBelow && canBeFull(operator)) tests.push(`${scope.bind(`op${id}`, operator)}.isFull()`)
    }
    return tests
  }

  #breakWhereFull(scope: CodeScope, stop = 'break'): string {
    const test = [...this.#fullTests(scope), this.#heldTest(scope)].join(' || ')
    return `if (touched[0] !== 0) { touched[0] = 0; if (${test}) ${stop} }`
  }
}

/** Operators with a buffer of their own: sinks, asynchronous calls. */
function canBeFull(operator: Operator): boolean {
  return typeof operator.isFull === 'function'
}

/** Makes every source text different: V8 would give equal texts one function, and its feedback to several chains. */
let piecesMade = 0

/** Names bound to values around one generated function. */
class CodeScope {
  readonly #values = new Map<string, unknown>()

  bind(name: string, value: unknown): string {
    this.#values.set(name, value)
    return name
  }

  /** `name` is what profiles and stacks show. */
  make(name: string, body: string, parameters: readonly string[]): unknown {
    const factory = new Function(
      ...this.#values.keys(),
      `'use strict' // ${++piecesMade}\nreturn function ${name}(${parameters.join(', ')}) {\n${body}\n}`,
    )
    return factory(...this.#values.values())
  }
}
