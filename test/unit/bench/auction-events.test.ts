/**
 * The auction workload's events against an independent program's answers: every query is computed here from the events by
 * the plainest means (no engine), which checks every field that a query reads.
 */
import { describe, expect, it } from 'vitest'
import type { Auction, Bid, Person } from '../../../bench/auctions/events.ts'
import { auctionEvents, auctions, bids, keyedEvents, persons } from '../../../bench/auctions/generator.ts'
import type { Source } from '../../../src/connectors/source.ts'
import { type Answer, expectedAnswers } from '../../support/auction-answers.ts'
import { readSource } from '../../support/read-source.ts'

interface Timed<T> {
  readonly value: T
  readonly ts: number
}

async function eventsOf<T, S>(source: Source<T, S>, parallelism: number): Promise<Timed<T>[]> {
  const { outputs } = await readSource(source, { parallelism })
  return outputs.flatMap(({ values, timestamps }) => values.map((value, i) => ({ value, ts: timestamps[i] as number })))
}

const answer = (values: readonly number[]): Answer => ({
  rows: values.length,
  sum: values.reduce((sum, value) => sum + value, 0),
})

function grouped<T, K>(items: Iterable<T>, keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}

/** Counts per window start and key; a sliding window starts at every multiple of `slideMs`. */
function slidingCounts(events: readonly { key: number; ts: number }[], sizeMs: number, slideMs: number) {
  const windows = new Map<number, Map<number, number>>()
  for (const { key, ts } of events) {
    for (let start = Math.floor(ts / slideMs) * slideMs; start > ts - sizeMs; start -= slideMs) {
      const counts = windows.get(start) ?? new Map<number, number>()
      windows.set(start, counts.set(key, (counts.get(key) ?? 0) + 1))
    }
  }
  return [...windows.values()]
}

const size = 10_000
const window = ({ ts }: { ts: number }): number => Math.floor(ts / size)

function q3(people: Timed<Person>[], offers: Timed<Auction>[]): Answer {
  const chosen = new Set(
    people.filter(({ value }) => ['OR', 'ID', 'CA'].includes(value.state)).map(({ value }) => value.id),
  )
  return answer(
    offers.filter(({ value }) => value.category === 10 && chosen.has(value.seller)).map(({ value }) => value.id),
  )
}

function q5(all: Timed<Bid>[]): Answer {
  const events = all.map(({ value, ts }) => ({ key: value.auction, ts }))
  return answer(
    slidingCounts(events, size, 2000).flatMap((counts) => {
      const most = Math.max(...counts.values())
      return [...counts].filter(([, count]) => count === most).map(([auction, count]) => auction + count)
    }),
  )
}

function q7(all: Timed<Bid>[]): Answer {
  return answer(
    [...grouped(all, window).values()].flatMap((inWindow) => {
      const most = inWindow.reduce((max, { value }) => Math.max(max, value.price), 0)
      const best = inWindow.filter(({ value }) => value.price === most)
      return best.map(({ value }) => value.auction + value.bidder + value.price)
    }),
  )
}

function q8(people: Timed<Person>[], offers: Timed<Auction>[]): Answer {
  const sellers = grouped(offers, window)
  return answer(
    [...grouped(people, window)].flatMap(([start, registered]) => {
      const opened = new Set((sellers.get(start) ?? []).map(({ value }) => value.seller))
      return registered.filter(({ value }) => opened.has(value.id)).map(({ value }) => value.id)
    }),
  )
}

function q9(offers: Timed<Auction>[], all: Timed<Bid>[]): Answer {
  const byAuction = grouped(all, ({ value }) => value.auction)
  return answer(
    offers.flatMap(({ value: auction }) => {
      const valid = (byAuction.get(auction.id) ?? [])
        .map(({ value }) => value)
        .filter((bid) => bid.ts >= auction.ts && bid.ts < auction.expires && bid.price >= auction.reserve)
      const [first] = valid.toSorted((a, b) => b.price - a.price || a.ts - b.ts || a.bidder - b.bidder)
      return first === undefined ? [] : [first.price + first.bidder]
    }),
  )
}

function q11(all: Timed<Bid>[]): Answer {
  return answer(
    [...grouped(all, ({ value }) => value.bidder)].flatMap(([bidder, its]) => {
      const times = its.map(({ ts }) => ts).toSorted((a, b) => a - b)
      const sessions: number[] = []
      for (const [i, ts] of times.entries()) {
        if (i > 0 && ts - (times[i - 1] as number) <= size) sessions[sessions.length - 1]! += 1
        else sessions.push(1)
      }
      return sessions.map((count) => bidder + count)
    }),
  )
}

function jet5(events: Timed<{ key: number }>[]): Answer {
  const counts = slidingCounts(
    events.map(({ value, ts }) => ({ key: value.key, ts })),
    size,
    500,
  )
  return answer(counts.flatMap((window) => [...window.values()]))
}

function kcount(events: Timed<{ key: number }>[]): Answer {
  const counts = new Map<number, number>()
  return answer(
    events.map(({ value }) => {
      const count = (counts.get(value.key) ?? 0) + 1
      counts.set(value.key, count)
      return count
    }),
  )
}

const small = expectedAnswers.filter(({ events }) => events <= (process.env['MILLRACE_FULL'] ? 1_000_000 : 100_000))

describe.each(small)('auction events: $events of seed $seed, $perMs per ms, disorder $disorder', (workload) => {
  const { answers, ...options } = workload

  it.each([1, 3])('give the answers of whole events at parallelism %i', async (parallelism) => {
    const all = await eventsOf(auctionEvents(options), parallelism)
    const of = <K extends string>(kind: K) => all.filter(({ value }) => value.kind === kind)
    const [people, offers, its] = [of('person'), of('auction'), of('bid')] as unknown as [
      Timed<Person>[],
      Timed<Auction>[],
      Timed<Bid>[],
    ]
    expect(all.every(({ value, ts }) => value.ts === ts)).toBe(true)
    expect({ ...answer(its.map(({ value }) => value.price)), rows: all.length }).toEqual(answers['gen'])
    const lengths = ({ value }: Timed<Bid>) => value.channel.length + value.url.length + value.extra.length
    expect(answer(its.map((bid) => bid.value.price + lengths(bid)))).toEqual(answers['q0'])
    expect(q3(people, offers)).toEqual(answers['q3'])
    expect(q8(people, offers)).toEqual(answers['q8'])
    expect(q9(offers, its)).toEqual(answers['q9'])
  })

  it.each([1, 2, 3])('give the answers of chosen fields at parallelism %i', async (parallelism) => {
    const its = (await eventsOf(bids(options, ['auction', 'bidder', 'price']), parallelism)) as Timed<Bid>[]
    expect(Object.keys(its[0]?.value ?? {})).toEqual(['auction', 'bidder', 'price'])
    expect(answer(its.map(({ value }) => Math.floor((value.price * 908) / 1000)))).toEqual(answers['q1'])
    const second = its.filter(({ value }) => value.auction % 123 === 0)
    expect(answer(second.map(({ value }) => value.price))).toEqual(answers['q2'])
    expect(q5(its)).toEqual(answers['q5'])
    expect(q7(its)).toEqual(answers['q7'])
    expect(q11(its)).toEqual(answers['q11'])
    const people = (await eventsOf(persons(options, ['id', 'state']), parallelism)) as Timed<Person>[]
    const offers = (await eventsOf(auctions(options, ['id', 'seller', 'category']), parallelism)) as Timed<Auction>[]
    expect(q3(people, offers)).toEqual(answers['q3'])
    expect(q8(people, offers)).toEqual(answers['q8'])
  })

  it('give the answers of keys', async () => {
    expect(jet5(await eventsOf(keyedEvents(options, { hash: 1, modulo: 10_000 }), 2))).toEqual(answers['jet5'])
    expect(kcount(await eventsOf(keyedEvents(options, { hash: 2, modulo: 1_000_000 }), 1))).toEqual(answers['kcount'])
  })
})

describe('auction events', () => {
  it('are whole and exactly as the model says', async () => {
    const [person, auction, , , bid, second] = (await readSource(auctionEvents({ events: 6 }))).all
    expect(person).toEqual({
      kind: 'person',
      id: 1000,
      name: expect.stringMatching(/^[A-Z]\w+ [A-Z]\w+$/),
      email: 'p1000@example.com',
      creditCard: expect.stringMatching(/^\d{4} \d{4} \d{4} \d{4}$/),
      city: expect.any(String),
      state: expect.stringMatching(/^[A-Z]{2}$/),
      ts: 1_700_000_000_000,
      extra: expect.stringMatching(/^[a-z]{40,63}$/),
    })
    expect(auction).toMatchObject({ kind: 'auction', id: 1000, itemName: expect.stringMatching(/^item-\d+$/) })
    for (const { url, channel } of [bid, second] as unknown as Bid[]) {
      const tail = channel.startsWith('channel-') ? `&channel_id=${channel.slice(8)}` : ''
      expect(url).toMatch(/^https:\/\/www\.nexmark\.com\/[a-z]{12}\/item\.htm\?query=1/)
      expect(url.slice(53)).toBe(tail)
    }
  })

  it('go on exactly where their snapshot stood, at any parallelism', async () => {
    const options = { events: 3000, disorder: 20 }
    const sources = [auctionEvents(options), auctionEvents(options, { person: ['id'], auction: ['id'] })] as const
    for (const source of sources) {
      const whole = (await readSource<unknown, unknown>(source as never)).all
      const pieces = await readSource<unknown, unknown>(source as never, {
        parallelism: 3,
        recordsMax: 10,
        room: 7,
        restoresAfterPoll: true,
      })
      const text = (values: readonly unknown[]) => values.map((value) => JSON.stringify(value)).toSorted()
      expect(text(pieces.all)).toEqual(text(whole))
    }
  })

  it.each([
    { events: -1 },
    { events: 2 ** 31 },
    { events: 10, perMs: 0 },
    { events: 1.5 },
    { events: 1, disorder: -1 },
  ])('refuse %o', (options) => {
    expect(() => bids(options)).toThrow(expect.objectContaining({ code: 'MR_CONFIG_INVALID_VALUE' }))
  })
})
