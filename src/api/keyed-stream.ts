/** KeyedStream: records dealt out by key. Its operators have keyed state and timers. */
import type { TypeInformation } from '../data/types.ts'
import type { Upstream } from '../plan/stream-graph-builder.ts'
import type { KeySelector, Partitioning } from '../plan/stream-graph.ts'
import type { StreamContext } from './stream-context.ts'

export class KeyedStream<T, K> {
  /** @internal */
  readonly context: StreamContext
  /** @internal */
  readonly upstreams: readonly Upstream[]
  /** @internal */
  readonly keySelector: KeySelector
  readonly type: TypeInformation<T> | undefined
  readonly keyType: TypeInformation<K> | undefined

  constructor(
    context: StreamContext,
    upstreams: readonly Upstream[],
    keySelector: KeySelector,
    type: TypeInformation<T> | undefined,
    keyType: TypeInformation<K> | undefined,
  ) {
    const partitioning: Partitioning = { kind: 'hash', keySelector }
    this.context = context
    this.upstreams = upstreams.map((way) => ({ ...way, partitioning }))
    this.keySelector = keySelector
    this.type = type
    this.keyType = keyType
  }
}
