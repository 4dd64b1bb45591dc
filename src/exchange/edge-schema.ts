/**
 * The schema that the channels of one edge write with: declared, or inferred from the first records and widened by
 * those that do not fit. Shared by the edge's writers in one thread, so that all of them run the same generated code.
 *
 * Invariants
 * 1. A version never comes back: writers compare `version` and open their next block with `current`.
 * 2. After so many values that did not fit, the edge is generic for good. Inferred schemas widen with each and end by
 *    themselves (rows of more than 64 fields are generic), so they may surprise more often than declared ones.
 */
import { type ColumnSchema, genericSchema, schemaOfType } from '../data/column-schema.ts'
import { SchemaSampler } from '../data/schema-sampler.ts'
import type { DataType } from '../data/types.ts'

/** Records that are looked at before a schema is inferred, where no flush comes earlier. */
export const samplesMax = 64
const inferredSurprisesMax = 64
const declaredSurprisesMax = 16

export class EdgeSchema {
  /** Undefined until the first records have been observed. */
  current: ColumnSchema | undefined
  version = 0
  readonly #sampler: SchemaSampler | undefined
  #surprises = 0

  constructor(type?: DataType) {
    this.current = type === undefined ? undefined : schemaOfType(type)
    this.#sampler = type === undefined ? new SchemaSampler() : undefined
  }

  /** Infers the schema where there is none yet. */
  infer(samples: readonly unknown[]): void {
    if (this.#sampler === undefined || this.current !== undefined) return
    for (const sample of samples) this.#sampler.add(sample)
    this.#become(this.#sampler.schema())
  }

  /**
   * A value does not fit `current`. True where `current` has changed and may hold it now; false where this value has
   * to travel in a generic batch of its own.
   */
  widen(value: unknown): boolean {
    this.#surprises++
    const isInferred = this.#sampler !== undefined
    if (this.#surprises > (isInferred ? inferredSurprisesMax : declaredSurprisesMax)) return this.#become(genericSchema)
    if (this.#sampler === undefined) return false
    this.#sampler.add(value)
    const widened = this.#sampler.schema()
    if (widened.key === this.current!.key) return false
    return this.#become(widened)
  }

  /** Columns cannot hold this edge's records (too wide): generic for good. */
  giveUp(): void {
    this.#become(genericSchema)
  }

  #become(schema: ColumnSchema): true {
    this.current = schema
    this.version++
    return true
  }
}
