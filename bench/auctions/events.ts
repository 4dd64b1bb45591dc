/** The events of the auction workload (Nexmark's model) and their types. Sizes: about 200 bytes an event as text. */
import { types, type TypeInformation } from '../../src/data/types.ts'

export interface Person {
  readonly id: number
  readonly name: string
  readonly email: string
  readonly creditCard: string
  readonly city: string
  readonly state: string
  /** Milliseconds since the epoch. */
  readonly ts: number
  readonly extra: string
}

export interface Auction {
  readonly id: number
  readonly itemName: string
  readonly description: string
  readonly initialBid: number
  readonly reserve: number
  readonly ts: number
  /** Milliseconds since the epoch; bids are taken before it. */
  readonly expires: number
  readonly seller: number
  readonly category: number
  readonly extra: string
}

export interface Bid {
  readonly auction: number
  readonly bidder: number
  readonly price: number
  readonly channel: string
  readonly url: string
  readonly ts: number
  readonly extra: string
}

export interface EventOf {
  readonly person: Person
  readonly auction: Auction
  readonly bid: Bid
}

export type Kind = keyof EventOf

const text = types.text()
const int32 = types.int32()
const timestamp = types.timestamp()

/** Field types by kind, in the order of the events' fields. */
export const fieldTypes: { readonly [K in Kind]: Readonly<Record<keyof EventOf[K], TypeInformation<unknown>>> } = {
  person: { id: int32, name: text, email: text, creditCard: text, city: text, state: text, ts: timestamp, extra: text },
  auction: {
    id: int32,
    itemName: text,
    description: text,
    initialBid: int32,
    reserve: int32,
    ts: timestamp,
    expires: timestamp,
    seller: int32,
    category: int32,
    extra: text,
  },
  bid: { auction: int32, bidder: int32, price: int32, channel: text, url: text, ts: timestamp, extra: text },
}
