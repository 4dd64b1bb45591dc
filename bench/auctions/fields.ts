/**
 * How each field is computed: JavaScript expressions, out of which `loop.ts` generates the loop that makes exactly the
 * fields asked for. In scope of an expression: `b` (the event's hash), `e` (its group of 50), `i` (an auction's number),
 * `L` (the last auction's number), `ts`, `price(a, b)`, `text(a, b)`, the locals named in `needs`, and tables as `$name`.
 */
import type { EventOf, Kind } from './events.ts'

export interface FieldCode {
  readonly code: string
  /** Locals of the event that several fields share. */
  readonly needs?: readonly string[]
}

/** h(k) as a signed 32-bit number: enough where only bits are looked at. */
const bits = (k: number): string => `fmix32(b + ${Math.imul(k, 0x9e3779b1)} | 0)`
/** h(k) as an unsigned number. */
export const hash = (k: number): string => `(${bits(k)} >>> 0)`

/** Locals of an event. */
export const localCode: Readonly<Record<string, string>> = {
  L: '3 * e + 2',
  h7: hash(7),
  h8: hash(8),
  initialBid: `price(${hash(4)}, ${hash(5)})`,
}

/** A person that is known: mostly the hot one of the last hundred, else one of the last thousand. */
const person = (hotness: number, choice: number): string =>
  `1000 + (${bits(hotness)} & 3 ? e - e % 100 : e - (e >= 999 ? ${hash(choice)} % 1000 : ${hash(choice)} % (e + 1)))`

export const fieldCode: { readonly [K in Kind]: Readonly<Record<keyof EventOf[K], FieldCode>> } = {
  person: {
    id: { code: '1000 + e' },
    name: { code: `$name[${hash(1)} % 11 * 9 + ${hash(2)} % 9]` },
    email: { code: "'p' + (1000 + e) + '@example.com'" },
    creditCard: { code: [20, 21, 22, 23].map((k) => `$digits[${hash(k)} % 10000]`).join(" + ' ' + ") },
    city: { code: `$city[${hash(4)} % 10]` },
    state: { code: `$state[${hash(5)} % 6]` },
    ts: { code: 'ts' },
    extra: { code: `text(${hash(6)}, ${hash(7)})` },
  },
  auction: {
    id: { code: '999 + 3 * e + o' },
    itemName: { code: `$item[${hash(1)} % 1000]` },
    description: { code: `text(${hash(2)}, ${hash(3)})` },
    initialBid: { code: 'initialBid', needs: ['initialBid'] },
    reserve: { code: `initialBid + price(${hash(6)}, ${hash(7)})`, needs: ['initialBid'] },
    ts: { code: 'ts' },
    expires: { code: `ts + (1 + ${hash(8)} % 20000)` },
    seller: { code: person(9, 10) },
    category: { code: `10 + ${hash(11)} % 5` },
    extra: { code: `text(${hash(12)}, ${hash(13)})` },
  },
  bid: {
    auction: {
      code: `1000 + (${bits(1)} & 1 ? L - L % 100 : L - (L >= 99 ? ${hash(2)} % 100 : ${hash(2)} % (L + 1)))`,
      needs: ['L'],
    },
    bidder: { code: person(3, 4) },
    price: { code: `price(${hash(5)}, ${hash(6)})` },
    channel: { code: '(h7 & 1) === 0 ? $hotChannel[h7 >>> 1 & 3] : $channel[h8 % 10000]', needs: ['h7', 'h8'] },
    url: { code: '(h7 & 1) === 0 ? $hotUrl[h8 % 240] : $url[h8 % 30000]', needs: ['h7', 'h8'] },
    ts: { code: 'ts' },
    extra: { code: `text(${hash(9)}, ${hash(10)})` },
  },
}
