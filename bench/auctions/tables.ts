/**
 * Texts of the auction workload that are the same for many events, made once per thread: an event then refers to its
 * text instead of building it. Every table is made when first asked for.
 */

/** The 32-bit finaliser of MurmurHash3. */
export function fmix32(x: number): number {
  x ^= x >>> 16
  x = Math.imul(x, 0x85ebca6b)
  x ^= x >>> 13
  x = Math.imul(x, 0xc2b2ae35)
  return x ^ (x >>> 16)
}

const letters: string = Array.from({ length: 256 }, (_, i) =>
  String.fromCharCode(97 + ((fmix32(i + 1) >>> 0) % 26)),
).join('')

const first = ['Peter', 'Paul', 'Luke', 'John', 'Saul', 'Vicky', 'Kate', 'Julie', 'Sarah', 'Deiter', 'Walter']
const last = ['Shultz', 'Abrams', 'Spencer', 'White', 'Bartels', 'Walton', 'Smith', 'Jones', 'Noris']

const urlStart = 'https://www.nexmark.com/'
const urlEnd = '/item.htm?query=1'
const urlPart = (h8: number): string => letters.substring(h8 % 240, (h8 % 240) + 12)

export type TableName =
  | 'city'
  | 'state'
  | 'hotChannel'
  | 'name'
  | 'digits'
  | 'item'
  | 'text'
  | 'channel'
  | 'hotUrl'
  | 'url'

const makers: Readonly<Record<TableName, () => readonly string[]>> = {
  city: () => [
    'Phoenix',
    'Los Angeles',
    'San Francisco',
    'Boise',
    'Portland',
    'Bend',
    'Redmond',
    'Seattle',
    'Kent',
    'Cheyenne',
  ],
  state: () => ['AZ', 'CA', 'ID', 'OR', 'WA', 'WY'],
  hotChannel: () => ['Google', 'Facebook', 'Baidu', 'Apple'],
  /** Index: first * 9 + last. */
  name: () => first.flatMap((given) => last.map((family) => `${given} ${family}`)),
  /** Four digits. */
  digits: () => Array.from({ length: 10_000 }, (_, i) => String(i).padStart(4, '0')),
  item: () => Array.from({ length: 1000 }, (_, i) => `item-${i}`),
  /** Index: start * 24 + (length - 40). */
  text: () => Array.from({ length: 192 * 24 }, (_, i) => letters.substr(Math.floor(i / 24), 40 + (i % 24))),
  channel: () => Array.from({ length: 10_000 }, (_, i) => `channel-${i}`),
  /** Index: h8 % 240. */
  hotUrl: () => Array.from({ length: 240 }, (_, i) => urlStart + urlPart(i) + urlEnd),
  /** Index: h8 % 30000, a multiple of both 240 and 10000. */
  url: () => Array.from({ length: 30_000 }, (_, i) => `${urlStart}${urlPart(i)}${urlEnd}&channel_id=${i % 10_000}`),
}

const made = new Map<TableName, readonly string[]>()

export function table(name: TableName): readonly string[] {
  const ready = made.get(name) ?? makers[name]()
  made.set(name, ready)
  return ready
}
