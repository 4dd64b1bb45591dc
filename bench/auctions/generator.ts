/**
 * The events of the auction workload as a parallel, seekable, typed source, written with the public Source contract.
 * Event n is made from n alone. Subtasks take blocks of numbers as they go, in order: that keeps them within a block or
 * two of each other, and a bidder's or an auction's neighbouring events in one subtask. A snapshot is what is left of a block.
 * Only the kinds and fields asked for are made; other events cost (nearly) nothing.
 */
import { MillraceError } from '../../src/common/errors.ts'
import type { Progress } from '../../src/common/progress.ts'
import type { Source, SourceReader } from '../../src/connectors/source.ts'
import { guidedBlocks, RangeReading, type RangeSplit } from '../../src/connectors/range-split.ts'
import { types, type TypeInformation } from '../../src/data/types.ts'
import type { Output, ReaderOutput } from '../../src/operators/operator.ts'
import { type Auction, type Bid, type EventOf, fieldTypes, type Kind, type Person } from './events.ts'
import { type Choice, type EventLoop, eventLoop, keyLoop, type LoopOptions, placesOf } from './loop.ts'

export interface AuctionOptions {
  /** How many events of all kinds there are. At most 2^31 - 1. */
  readonly events: number
  /** Default 42. */
  readonly seed?: number
  /** Events per millisecond of event time. Default 100. */
  readonly perMs?: number
  /** By how many ms an event may be late: the bound for watermarks. Default 0. */
  readonly disorder?: number
}

type Fields<K extends Kind> = readonly (keyof EventOf[K] & string)[]

/** Events of the chosen kinds, told apart by `kind`; a kind is `true` (whole) or a list of fields. */
export type EventChoice = { readonly [K in Kind]?: true | Fields<K> }

type ChosenEvent<C extends EventChoice> = {
  [K in Kind & keyof C]: { readonly kind: K } & (C[K] extends readonly (infer F extends keyof EventOf[K])[]
    ? Pick<EventOf[K], F>
    : EventOf[K])
}[Kind & keyof C]

/**
 * All events, or the chosen kinds with the chosen fields.
 * @example env.source(auctionEvents({ events: 1e6 }, { person: ['id', 'state'], auction: ['id', 'seller'] }))
 */
export function auctionEvents<const C extends EventChoice = { person: true; auction: true; bid: true }>(
  options: AuctionOptions,
  choice: C = { person: true, auction: true, bid: true } as unknown as C,
): Source<ChosenEvent<C>, RangeSplit> {
  const fields: Record<string, readonly string[]> = {}
  for (const kind of ['person', 'auction', 'bid'] as const) {
    const chosen = choice[kind]
    if (chosen !== undefined) fields[kind] = chosen === true ? Object.keys(fieldTypes[kind]) : chosen
  }
  return eventSource(`auctionEvents(${Object.keys(fields).join(', ')})`, options, fields, true, undefined)
}

/** The persons among the events. */
export function persons<F extends keyof Person = keyof Person>(
  options: AuctionOptions,
  fields?: readonly F[],
): Source<Pick<Person, F>, RangeSplit> {
  return eventsOfKind('person', options, fields)
}

/** The auctions among the events. */
export function auctions<F extends keyof Auction = keyof Auction>(
  options: AuctionOptions,
  fields?: readonly F[],
): Source<Pick<Auction, F>, RangeSplit> {
  return eventsOfKind('auction', options, fields)
}

/**
 * The bids among the events.
 * @example env.source(bids({ events: 10_000_000 }, ['auction', 'bidder', 'price']))
 */
export function bids<F extends keyof Bid = keyof Bid>(
  options: AuctionOptions,
  fields?: readonly F[],
): Source<Pick<Bid, F>, RangeSplit> {
  return eventsOfKind('bid', options, fields)
}

/** Every event as `{ key: h(hash) % modulo }` with its event time. */
export function keyedEvents(
  options: AuctionOptions,
  key: { readonly hash: number; readonly modulo: number },
): Source<{ readonly key: number }, RangeSplit> {
  const makeLoop = (): EventLoop => keyLoop(key.hash, key.modulo, loopOptions(options))
  return sourceOf(`keyedEvents(${key.modulo})`, options, types.row({ key: types.int32() }), 50, makeLoop)
}

function eventsOfKind<T>(
  kind: Kind,
  options: AuctionOptions,
  fields: readonly string[] | undefined,
): Source<T, RangeSplit> {
  const known: Readonly<Record<string, TypeInformation<unknown>>> = fieldTypes[kind]
  const names = Object.keys(known).filter((name) => fields === undefined || fields.includes(name))
  const type = types.row(Object.fromEntries(names.map((name) => [name, known[name] as TypeInformation<unknown>])))
  return eventSource(`${kind}s(${names.join(', ')})`, options, { [kind]: names }, false, type as TypeInformation<T>)
}

function eventSource<T>(
  name: string,
  options: AuctionOptions,
  choice: Choice,
  tagsKind: boolean,
  type: TypeInformation<T> | undefined,
): Source<T, RangeSplit> {
  const [from, end] = placesOf(choice)
  const makeLoop = (): EventLoop => eventLoop(choice, loopOptions(options), tagsKind)
  return sourceOf(name, options, type, end - from, makeLoop)
}

function loopOptions({ seed = 42, perMs = 100, disorder = 0 }: AuctionOptions): LoopOptions {
  return { seed, perMs, disorder }
}

function sourceOf<T>(
  name: string,
  options: AuctionOptions,
  type: TypeInformation<T> | undefined,
  placesPerGroup: number,
  makeLoop: () => EventLoop,
): Source<T, RangeSplit> {
  const { events, perMs = 100, disorder = 0 } = options
  const isWhole = [events, perMs, disorder, options.seed ?? 42].every((value) => Number.isSafeInteger(value))
  if (!isWhole || events < 0 || events > 0x7fff_ffff || perMs < 1 || disorder < 0) {
    throw new MillraceError('MR_CONFIG_INVALID_VALUE', `not an auction workload: ${JSON.stringify(options)}`)
  }
  return {
    name,
    boundedness: 'bounded',
    type,
    enumerateSplits: ({ parallelism }) => guidedBlocks(0, events, parallelism),
    createReader: () => new EventReader<T>(makeLoop(), Math.floor(50 / placesPerGroup)),
  }
}

class EventReader<T> implements SourceReader<T, RangeSplit> {
  readonly #loop: EventLoop
  /** Numbers looked at per event made. */
  readonly #sparsity: number
  readonly #ranges = new RangeReading()

  constructor(loop: EventLoop, sparsity: number) {
    this.#loop = loop
    this.#sparsity = sparsity
  }

  addSplits(splits: readonly RangeSplit[]): void {
    this.#ranges.add(splits)
  }

  noMoreSplits(): void {
    this.#ranges.complete()
  }

  needsSplit(): boolean {
    return this.#ranges.needsSplit
  }

  poll(output: ReaderOutput<T>, recordsMax: number): Progress {
    const ranges = this.#ranges
    const target = ranges.select(output)
    if (target === undefined) return ranges.progress
    const stop = Math.min(ranges.end, ranges.next + recordsMax * this.#sparsity)
    ranges.next = this.#loop(target as Output<unknown>, ranges.next, stop)
    return ranges.progress
  }

  snapshot(): readonly RangeSplit[] {
    return this.#ranges.snapshot()
  }
}
