/**
 * Generates the loop that makes events: one function per source, so that its call of `collectAt` is monomorphic, and only
 * the work that the chosen kinds and fields need. Generated from the closed tables of `fields.ts` alone, never from data.
 *
 * Event n: group e = n / 50, place o = n % 50: o = 0 a person, 1 … 3 auctions, 4 … 49 bids.
 */
import type { Output } from '../../src/operators/operator.ts'
import { fieldTypes, type Kind } from './events.ts'
import { fieldCode, hash, localCode } from './fields.ts'
import { table, type TableName } from './tables.ts'

/** Event time of event 0. */
export const startMs = 1_700_000_000_000

export interface LoopOptions {
  readonly seed: number
  readonly perMs: number
  readonly disorder: number
}

/**
 * Makes the chosen events among the numbers `next` … `stop` - 1 until the output is full, and answers the number to go on
 * with.
 */
export type EventLoop = (output: Output<unknown>, next: number, stop: number) => number

/** Which fields of which kinds. */
export type Choice = { readonly [K in Kind]?: readonly string[] }

const places: Readonly<Record<Kind, readonly [from: number, end: number]>> = {
  person: [0, 1],
  auction: [1, 4],
  bid: [4, 50],
}
const kinds: readonly Kind[] = ['person', 'auction', 'bid']

/** How many of 50 events are looked at. */
export function placesOf(choice: Choice): readonly [from: number, end: number] {
  const chosen = kinds.filter((kind) => choice[kind] !== undefined)
  return [Math.min(...chosen.map((kind) => places[kind][0])), Math.max(...chosen.map((kind) => places[kind][1]))]
}

export function eventLoop(choice: Choice, options: LoopOptions, tagsKind: boolean): EventLoop {
  const chosen = kinds.filter((kind) => choice[kind] !== undefined)
  const makers = chosen.map((kind) => ({ kind, code: eventCode(kind, choice[kind] ?? [], options, tagsKind) }))
  const [from, end] = placesOf(choice)
  return compile(end <= 4 ? sparseLoop(makers, from, end) : denseLoop(makers, from, options), options)
}

/** Every event as `{ key: h(hash) % modulo }`. */
export function keyLoop(key: number, modulo: number, options: LoopOptions): EventLoop {
  const code = `${timeCode(options)} output.collectAt({ key: (${hash(key)} % ${modulo}) | 0 }, ts)`
  return compile(denseLoop([{ kind: 'bid', code }], 0, options), options)
}

interface Maker {
  readonly kind: Kind
  readonly code: string
}

/** Most places are wanted: every number is visited. `q` is n / perMs, kept up without a division. */
function denseLoop(makers: readonly Maker[], from: number, options: LoopOptions): string {
  const body = branches(makers)
  return `
    let n = next, e = n / 50 | 0, o = n % 50, q = n / ${options.perMs} | 0, rest = n % ${options.perMs}
    while (n < stop) {
      ${from > 0 ? `if (o >= ${from}) {` : '{'}
        const b = fmix32(n ^ seed)
        ${body}
      }
      n++
      if (++o === 50) { o = 0; e++ }
      if (++rest === ${options.perMs}) { rest = 0; q++ }
      if (output.isFull()) break
    }
    return n`
}

/** Few places are wanted: groups are visited, and in them the wanted places. */
function sparseLoop(makers: readonly Maker[], from: number, end: number): string {
  return `
    for (let e = next / 50 | 0; e * 50 < stop; e++) {
      for (let o = ${from}; o < ${end}; o++) {
        const n = e * 50 + o
        if (n < next || n >= stop) continue
        const b = fmix32(n ^ seed), q = n / perMs | 0
        ${branches(makers)}
        if (output.isFull()) return n + 1
      }
    }
    return stop`
}

function branches(makers: readonly Maker[]): string {
  if (makers.length === 1) return (makers[0] as Maker).code
  return makers
    .map(({ kind, code }) => `if (o >= ${places[kind][0]} && o < ${places[kind][1]}) { ${code} }`)
    .join(' else ')
}

function timeCode(options: LoopOptions): string {
  const late = options.disorder > 0 ? ` - ${hash(15)} % ${options.disorder + 1}` : ''
  return `const ts = ${startMs} + q${late};`
}

function eventCode(kind: Kind, fields: readonly string[], options: LoopOptions, tagsKind: boolean): string {
  const known: Readonly<Record<string, { readonly code: string; readonly needs?: readonly string[] }>> = fieldCode[kind]
  const wanted = Object.keys(known).filter((name) => fields.includes(name))
  const needs = new Set(wanted.flatMap((name) => known[name]?.needs ?? []))
  const lines = Object.entries(localCode).flatMap(([name, code]) =>
    needs.has(name) ? [`const ${name} = ${code};`] : [],
  )
  const members = wanted.map((name) => `${name}: ${valueCode(kind, name, known[name]!.code)}`)
  if (tagsKind) members.unshift(`kind: ${JSON.stringify(kind)}`)
  return `${timeCode(options)} ${lines.join(' ')} output.collectAt({ ${members.join(', ')} }, ts)`
}

/**
 * Whole numbers are made whole for the compiler, too: the interpreter's `%` answers a number on the heap now and then,
 * and objects whose fields hold both kinds change their hidden class, at each passage from slot to slot.
 */
function valueCode(kind: Kind, name: string, code: string): string {
  const types: Readonly<Record<string, { readonly dataType: { readonly kind: string } }>> = fieldTypes[kind]
  return types[name]?.dataType.kind === 'int32' ? `(${code}) | 0` : code
}

const prelude = `
  const fmix32 = (x) => {
    x ^= x >>> 16
    x = Math.imul(x, 0x85ebca6b)
    x ^= x >>> 13
    x = Math.imul(x, 0xc2b2ae35)
    return x ^ (x >>> 16)
  }
  const price = (a, b) => { const s = 4 + a % 20; return (1 << s) + (b & ((1 << s) - 1)) }
  const text = (a, b) => $text[(a % 192) * 24 + b % 24]`

function compile(body: string, options: LoopOptions): EventLoop {
  const source = `${prelude}\nreturn (output, next, stop) => {${body}\n}`
  const names = [...new Set([...source.matchAll(/\$(\w+)/g)].map((match) => match[1] as TableName))]
  const tables = names.map((name) => (name === 'text' && !body.includes('text(') ? [] : table(name)))
  const make = new Function('seed', 'perMs', ...names.map((name) => `$${name}`), `'use strict'\n${source}`)
  return make(options.seed | 0, options.perMs, ...tables) as EventLoop
}
