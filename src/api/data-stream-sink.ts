/** The end of a stream, with the controls of the sink's node. */
import { maxParallelismMax } from '../common/limits.ts'
import { checkParallelism, type DraftNode } from '../plan/stream-graph-builder.ts'

/** The end of a stream: name, uid and parallelism of a sink can be set. */
export class DataStreamSink {
  readonly #node: DraftNode

  constructor(node: DraftNode) {
    this.#node = node
  }

  name(name: string): this {
    this.#node.name = name
    return this
  }
  uid(uid: string): this {
    this.#node.uid = uid
    return this
  }
  setDescription(description: string): this {
    this.#node.description = description
    return this
  }
  setParallelism(parallelism: number): this {
    checkParallelism(parallelism, maxParallelismMax, `sink '${this.#node.name}'`)
    this.#node.parallelism = parallelism
    return this
  }
  disableChaining(): this {
    this.#node.chaining = 'never'
    return this
  }
  slotSharingGroup(group: string): this {
    this.#node.slotSharingGroup = group
    return this
  }
}
