/** Names a side output and its type. Two tags with the same id are the same side output. */
import type { TypeInformation } from '../data/types.ts'

declare const sideType: unique symbol

/** Names a side output and the type of its records. */
export interface OutputTag<T> {
  readonly id: string
  readonly type: TypeInformation<T> | undefined
  readonly [sideType]?: T
}

/** @example const late = outputTag<Bid>('late') */
export function outputTag<T>(id: string, type?: TypeInformation<T>): OutputTag<T> {
  return Object.freeze({ id, type })
}
