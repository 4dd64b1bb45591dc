/**
 * Generates the code of a chain: the loop over a batch, and a `collect` for every operator that calls downstream. Every
 * piece is a fresh function, so that V8 sees one target at each call site and can inline the user's functions.
 * Cold (at start and per new batch shape); what it makes is the hottest code there is.
 */
import type { BatchReader } from '../exchange/channel.ts'
import { taskMetric } from '../metrics/shared-metrics.ts'
import type { StreamEdge, StreamNode } from '../plan/stream-graph.ts'
import type { ChainParts } from './chain.ts'

export interface ChainCodeHooks {
  /** True while a watermark waits in the chain. */
  isHeld(): boolean
  fail(error: unknown, node: StreamNode, value: unknown): Error
}

type Collect = (value: unknown) => void

export class ChainCode {
  readonly #parts: ChainParts
  readonly #hooks: ChainCodeHooks
  readonly #nodes: readonly StreamNode[]

  constructor(parts: ChainParts, hooks: ChainCodeHooks) {
    this.#parts = parts
    this.#hooks = hooks
    this.#nodes = parts.vertex.nodes
  }

  /** The loop over a batch of one shape: answers the index of the first row not taken. */
  loop(input: 0 | 1): (batch: BatchReader, from: number) => number {
    const scope = new CodeScope()
    const head = this.#nodes[0]!
    const body = this.#enter(head, 'v', input, scope)
    return this.#bindings(scope).make(
      `let i = from, s = 0, z
const n = batch.count
try {
  while (i < n) {
    const v = batch.read(i)
    record.timestampMs = batch.timestampMs(i)
    i++
    ${body}
    if (${this.#fullTest(scope)}) break
  }
} catch (error) { throw fail(error, nodes[s], z === undefined ? batch.read(i - 1) : z) }
return i`,
      ['batch', 'from'],
    ) as (batch: BatchReader, from: number) => number
  }

  /** What an operator's `collect` does: everything downstream of `node` within the chain. */
  collector(node: StreamNode, sideOutputId: string | undefined): Collect {
    const scope = new CodeScope()
    const body = this.#deliver(node, 'v', sideOutputId, scope)
    return this.#bindings(scope).make(this.#collectorBody(node, body), ['v']) as Collect
  }

  /** What a source's `collect` and `collectAt` do: a source with a watermark strategy has an operator of its own first. */
  sourceCollector(): Collect {
    return this.#sourceCode(['v'], '') as Collect
  }

  sourceCollectorAt(): (value: unknown, timestampMs: number) => void {
    return this.#sourceCode(['v', 't'], 'record.timestampMs = t\n') as (value: unknown, timestampMs: number) => void
  }

  #sourceCode(parameters: readonly string[], before: string): unknown {
    const scope = new CodeScope()
    const head = this.#nodes[0]!
    const cells = scope.bind('cells', this.#parts.metrics.cells)
    const body = this.#parts.operators.has(head.id)
      ? this.#enter(head, 'v', 0, scope)
      : this.#deliver(head, 'v', undefined, scope)
    const code = `${before}${cells}[${taskMetric.numRecordsIn}]++\n${this.#collectorBody(head, body)}`
    return this.#bindings(scope).make(code, parameters)
  }

  collectorAt(node: StreamNode): (value: unknown, timestampMs: number) => void {
    const scope = new CodeScope()
    const body = this.#deliver(node, 'v', undefined, scope)
    // The operator may emit amid a record whose timestamp others still need.
    const code = `const saved = record.timestampMs\nrecord.timestampMs = t\n${this.#collectorBody(node, body)}\nrecord.timestampMs = saved`
    return this.#bindings(scope).make(code, ['v', 't']) as (value: unknown, timestampMs: number) => void
  }

  /** True where any output of the chain is full. */
  fullProbe(): () => boolean {
    const scope = new CodeScope()
    const tests = this.#fullTests(scope)
    return this.#bindings(scope).make(
      `return ${tests.length === 0 ? 'false' : tests.join(' || ')}`,
      [],
    ) as () => boolean
  }

  #collectorBody(node: StreamNode, body: string): string {
    if (body === '') return ''
    return `let s = ${this.#position(node)}, z\ntry { ${body} } catch (error) { throw fail(error, nodes[s], z === undefined ? v : z) }`
  }

  #bindings(scope: CodeScope): CodeScope {
    scope.bind('record', this.#parts.record)
    scope.bind('nodes', this.#nodes)
    scope.bind('fail', this.#hooks.fail)
    return scope
  }

  #position(node: StreamNode): number {
    return this.#nodes.indexOf(node)
  }

  /** Code that hands `value` to `node`. */
  #enter(node: StreamNode, value: string, input: 0 | 1, scope: CodeScope): string {
    const at = `s = ${this.#position(node)};`
    const operator = this.#parts.operators.get(node.id)
    if (operator !== undefined) {
      const method = input === 0 ? 'processElement' : 'processElement2'
      const z = value === 'v' ? '' : ` z = ${value};`
      const key = this.#setKey(node, value, input, scope)
      return `${at}${z}${key} ${scope.bind(`op${node.id}`, operator)}.${method}(${value})\n`
    }
    if (node.body.kind !== 'inline') return this.#deliver(node, value, undefined, scope)
    const { kind, apply } = node.body.stage
    const f = scope.bind(`f${node.id}`, apply)
    const out = `v${node.id}`
    if (kind === 'map') return `${at} const ${out} = ${f}(${value})\n${this.#deliver(node, out, undefined, scope)}`
    if (kind === 'filter') return `${at} if (${f}(${value})) {\n${this.#deliver(node, value, undefined, scope)}}\n`
    const each = this.#deliver(node, out, undefined, scope)
    const items = `a${node.id}`
    const j = `j${node.id}`
    return `${at} const ${items} = ${f}(${value})
if (Array.isArray(${items})) { for (let ${j} = 0; ${j} < ${items}.length; ${j}++) { const ${out} = ${items}[${j}]\n${each}} }
else if (${items} != null) { for (const ${out} of ${items}) {\n${each}} }\n`
  }

  /** A keyed operator finds its state under the record's key. */
  #setKey({ id, body }: StreamNode, value: string, input: 0 | 1, scope: CodeScope): string {
    const selector = body.kind === 'operator' ? body.keySelectors?.[input] : undefined
    const state = this.#parts.keyedStates.get(id)
    if (selector === undefined || state === undefined) return ''
    return ` ${scope.bind(`state${id}`, state)}.setCurrentKey(${scope.bind(`key${id}_${input}`, selector)}(${value}));`
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
    const name = scope.bind(this.#writerName(edge), output)
    return `${name}.emit(${value}, record.timestampMs)\n`
  }

  #writerName(edge: StreamEdge): string {
    return `w${edge.source.id}_${edge.source.outputs.indexOf(edge)}`
  }

  #fullTests(scope: CodeScope): string[] {
    const tests: string[] = []
    for (const [edge, output] of this.#parts.outputs) {
      tests.push(`${scope.bind(this.#writerName(edge), output)}.isFull()`)
    }
    for (const [id, operator] of this.#parts.operators) {
      const { isFull } = operator as { isFull?: unknown }
      if (typeof isFull === 'function') tests.push(`${scope.bind(`op${id}`, operator)}.isFull()`)
    }
    return tests
  }

  #fullTest(scope: CodeScope): string {
    return [...this.#fullTests(scope), `${scope.bind('isHeld', this.#hooks.isHeld)}()`].join(' || ')
  }
}

/** Names bound to values around one generated function. */
class CodeScope {
  readonly #values = new Map<string, unknown>()

  bind(name: string, value: unknown): string {
    this.#values.set(name, value)
    return name
  }

  make(body: string, parameters: readonly string[]): unknown {
    const factory = new Function(
      ...this.#values.keys(),
      `'use strict'\nreturn function (${parameters.join(', ')}) {\n${body}\n}`,
    )
    return factory(...this.#values.values())
  }
}
