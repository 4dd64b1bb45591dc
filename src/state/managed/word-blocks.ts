/**
 * Blocks of a snapshot where keys are words and values have a fixed width: entries are gathered from their records by code
 * per layout, in one pass without a branch per entry, about 6 ns each. Not reentrant: one set of arrays for the thread.
 */
import type { ByteWriter } from '../../data/bytes.ts'
import { hashInt64Words, mix32 } from '../../data/key-groups.ts'
import { KeyClass } from '../key-class.ts'
import { type BlockHead, BlockWriter } from '../snapshot-layout.ts'
import { hashDoubleWords } from './key-words.ts'
import type { RecordLayout } from './record-layout.ts'
import { blockShift } from './stamps.ts'

/** Gathered entries stay in the first-level cache: two bytes of group, a key and a value each. */
const blockEntries = 2048
/** A word of bits, or a block of places, is taken whole; where a place turns out empty the next entry takes its turn. */
const arrayLength = blockEntries + (1 << blockShift) + 1

/** What `gather` writes to, and where it stopped. */
const gathered = {
  groups: new Uint16Array(arrayLength),
  /** One or two words each. */
  keys: new Int32Array(2 * arrayLength),
  /** The values, as words and as bytes: for types without and with fields of one byte. */
  words: new Int32Array(0),
  view: new DataView(new ArrayBuffer(0)),
  word: 0,
  count: 0,
}
const groupBytes = new Uint8Array(gathered.groups.buffer)
const keyBytes = new Uint8Array(gathered.keys.buffer)
let valueBytes = new Uint8Array(0)

/** Whether entries of a table can be written like this. */
export function canGather(layout: RecordLayout, keyClass: KeyClass): boolean {
  return layout.fields !== undefined && keyClass < KeyClass.Text
}

/**
 * Gathers the entries whose bits are set in `frozen`, from a word on until a block is full; takes them out of `frozen`
 * and puts them into `persisted`.
 */
type Gather = (
  i32: Int32Array,
  places: number,
  frozen: Int32Array,
  persisted: Int32Array,
  word: number,
  maxParallelism: number,
  out: typeof gathered,
) => void

/** Records with stamps: those stamped after the one and before the other, which they are stamped with then. */
interface StampedRecords {
  readonly i32: Int32Array
  readonly places: number
  readonly blocks: Int32Array | undefined
  readonly frozenAfter: number
  readonly frozenBefore: number
}

/** The same by the stamps of entries and of blocks of places, from a block on. */
type GatherStamped = (records: StampedRecords, block: number, maxParallelism: number, out: typeof gathered) => void

interface Code {
  readonly gather: Gather
  readonly gatherStamped: GatherStamped
  /** Bytes of a value. */
  readonly valueSize: number
}

const compiled: Map<string, Code> = new Map()

/** Writes blocks of the records of one table. */
export class WordBlocks {
  readonly #block: BlockWriter
  readonly #maxParallelism: number

  constructor(maxParallelism: number, out: ByteWriter) {
    this.#block = new BlockWriter(out)
    this.#maxParallelism = maxParallelism
  }

  /** Of the block written last: see `BlockWriter`. */
  get entryBytes(): number {
    return this.#block.entryBytes
  }

  /** Writes the next block, if there is anything left to write; answers the word to go on with. */
  write(
    head: BlockHead,
    layout: RecordLayout,
    { i32, places }: { readonly i32: Int32Array; readonly places: number },
    frozen: Int32Array,
    persisted: Int32Array,
    word: number,
  ): number {
    const code = codeFor(layout, head.keyClass)
    makeRoom(code.valueSize * arrayLength)
    code.gather(i32, places, frozen, persisted, word, this.#maxParallelism, gathered)
    return this.#writeGathered(head, code.valueSize)
  }

  /** The same where stamps tell what is to be written; answers the block of places to go on with. */
  writeStamped(head: BlockHead, layout: RecordLayout, records: StampedRecords, block: number): number {
    const code = codeFor(layout, head.keyClass)
    makeRoom(code.valueSize * arrayLength)
    code.gatherStamped(records, block, this.#maxParallelism, gathered)
    return this.#writeGathered(head, code.valueSize)
  }

  #writeGathered(head: BlockHead, valueSize: number): number {
    const { count } = gathered
    if (count === 0) return gathered.word
    const block = this.#block
    const groupsAt = block.begin(head, count)
    block.out.buffer.set(groupBytes.subarray(0, 2 * count), groupsAt)
    block.out.raw(keyBytes.subarray(0, count * (head.keyClass === KeyClass.Int32 ? 4 : 8)))
    block.endKeys()
    block.out.raw(valueBytes.subarray(0, count * valueSize))
    block.end()
    return gathered.word
  }
}

function makeRoom(bytes: number): void {
  if (valueBytes.length >= bytes) return
  const buffer = new ArrayBuffer(Math.ceil(bytes / 4) * 4)
  gathered.words = new Int32Array(buffer)
  gathered.view = new DataView(buffer)
  valueBytes = new Uint8Array(buffer)
}

function codeFor(layout: RecordLayout, keyClass: KeyClass): Code {
  const id = JSON.stringify([keyClass, layout.strideWords, layout.fields!.map(({ kind, offset }) => [kind, offset])])
  let code = compiled.get(id)
  if (code === undefined) compiled.set(id, (code = compile(layout, keyClass)))
  return code
}

const hashes: Readonly<Record<number, string>> = {
  [KeyClass.Int32]: 'mix32(low)',
  [KeyClass.Float64]: 'hashDoubleWords(low, high)',
  [KeyClass.Int64]: 'hashInt64Words(low, high)',
}

function compile(layout: RecordLayout, keyClass: KeyClass): Code {
  const { valueSize, copies } = copiesOf(layout)
  const source = `return (i32, places, frozen, persisted, from, maxParallelism, out) => {
  const mask = (maxParallelism & (maxParallelism - 1)) === 0 ? maxParallelism - 1 : -1
  const { groups, keys, words, view } = out
  const length = (places + 31) >>> 5
  let count = 0
  let word = from
  for (; word < length && count < ${blockEntries}; word++) {
    let bits = frozen[word]
    if (bits === 0) continue
    frozen[word] = 0
    const first = word << 5
    if (places - first < 32) bits &= (1 << (places - first)) - 1
    let live = 0
    for (; bits !== 0; bits &= bits - 1) {
      const bit = bits & -bits
      const base = Math.imul(first + 31 - Math.clz32(bit), ${layout.strideWords})
      const low = i32[base]
      const high = i32[base + 1]
      const hash = ${hashes[keyClass]}
      groups[count] = mask === -1 ? (hash >>> 0) % maxParallelism : hash & mask
      ${keyClass === KeyClass.Int32 ? 'keys[count] = low' : 'keys[2 * count] = low; keys[2 * count + 1] = high'}
      ${copies.join('\n      ')}
      // 1 where the place is in use, 0 where it is empty: then the next entry overwrites what was written.
      const used = ((low | high) | -(low | high)) >>> 31
      count += used
      live |= bit & -used
    }
    persisted[word] |= live
  }
  out.word = word
  out.count = count
}`
  const build = new Function('mix32', 'hashInt64Words', 'hashDoubleWords', source)
  const gather = build(mix32, hashInt64Words, hashDoubleWords) as Gather
  return { valueSize, gather, gatherStamped: compileStamped(layout, copies) }
}

/** Which places of a block are to be written is random, so they are found without branches, which would be guessed wrong. */
function compileStamped(layout: RecordLayout, copies: readonly string[]): GatherStamped {
  const source = `const chosen = new Int32Array(${(1 << blockShift) + 1})
const gatherBlock = (i32, base0, end, after, before, mask, maxParallelism, from, groups, keys, words, view) => {
  let found = 0
  for (let base = base0; base < end; base += ${layout.strideWords}) {
    const stamp = i32[base + 1]
    chosen[found] = base
    found += ((after - stamp) & (stamp - before)) >>> 31
  }
  let count = from
  for (let i = 0; i < found; i++, count++) {
    const base = chosen[i]
    i32[base + 1] = before | 1
    const low = i32[base]
    const hash = mix32(low)
    groups[count] = mask === -1 ? (hash >>> 0) % maxParallelism : hash & mask
    keys[count] = low
    ${copies.join('\n    ')}
  }
  return count
}
return ({ i32, places, blocks, frozenAfter, frozenBefore }, first, maxParallelism, out) => {
  const mask = (maxParallelism & (maxParallelism - 1)) === 0 ? maxParallelism - 1 : -1
  const { groups, keys, words, view } = out
  let count = 0
  let block = first
  for (; block < blocks.length && count < ${blockEntries}; block++) {
    if (blocks[block] <= frozenAfter) continue
    const base = Math.imul(block, ${layout.strideWords << blockShift})
    const end = Math.min(base + ${layout.strideWords << blockShift}, Math.imul(places, ${layout.strideWords}))
    count = gatherBlock(i32, base, end, frozenAfter, frozenBefore, mask, maxParallelism, count, groups, keys, words, view)
  }
  out.word = block
  out.count = count
}`
  return (new Function('mix32', source) as (mix: typeof mix32) => GatherStamped)(mix32)
}

/** Statements that copy the value of the record at `base` to entry `count` of the block, as its codec writes it. */
function copiesOf({ fields }: RecordLayout): { valueSize: number; copies: string[] } {
  const sizes = fields!.map(({ kind }) => (kind === 'bool' ? 1 : kind === 'int32' ? 4 : 8))
  const valueSize = sizes.reduce((sum, size) => sum + size, 0)
  const isWords = !sizes.includes(1)
  const copies: string[] = []
  let at = 0
  const copy = (from: string): void => {
    copies.push(
      isWords
        ? `words[Math.imul(count, ${valueSize / 4}) + ${at / 4}] = ${from}`
        : `view.setInt32(Math.imul(count, ${valueSize}) + ${at}, ${from}, true)`,
    )
    at += 4
  }
  for (const [i, { kind, offset }] of fields!.entries()) {
    const from = `i32[base + ${offset}]`
    if (kind === 'bool') copies.push(`view.setUint8(Math.imul(count, ${valueSize}) + ${at++}, ${from})`)
    else {
      copy(from)
      if (sizes[i] === 8) copy(`i32[base + ${offset + 1}]`)
    }
  }
  return { valueSize, copies }
}
