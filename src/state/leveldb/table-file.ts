/**
 * Reads LevelDB's table files from front to back, synchronously. The file stays readable while it is open, also where
 * LevelDB deletes it meanwhile. Tables of this backend are written without compression.
 *
 *   | data blocks … | … | index block | footer 48 B: metaindex handle, index handle, padding, magic u64 |
 *   block   entries, restart offsets u32 …, number of restarts u32; then type u8 (0: not compressed) and crc u32
 *   entry   varint shared, varint unshared, varint value bytes, key's unshared bytes, value
 *   key     user key, then u64: sequence number << 8 | type (0 deletion, 1 value)
 *   index   one entry per data block: a key >= its last one → varint offset, varint bytes
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { MillraceError } from '../../common/errors.ts'
import { ByteReader } from '../../data/bytes.ts'
import { internalKeySuffixBytes } from './version-file.ts'

const footerBytes = 48
const blockTrailerBytes = 5

interface BlockHandle {
  readonly lastKey: Buffer
  readonly offset: number
  readonly bytes: number
}

export class TableFile {
  readonly path: string
  readonly #file: number
  readonly #blocks: readonly BlockHandle[]

  /** Throws Node's ENOENT where the file is gone. */
  constructor(path: string, bytes: number) {
    this.path = path
    this.#file = openSync(path, 'r')
    try {
      this.#blocks = this.#readIndex(bytes)
    } catch (error) {
      closeSync(this.#file)
      throw error
    }
  }

  close(): void {
    closeSync(this.#file)
  }

  get blockCount(): number {
    return this.#blocks.length
  }

  /** The first block that may hold keys >= `key`. */
  blockFor(key: Uint8Array): number {
    let low = 0
    let high = this.#blocks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (Buffer.compare(this.#blocks[middle]!.lastKey, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  readBlock(index: number): Buffer {
    const { offset, bytes } = this.#blocks[index]!
    return this.#read(offset, bytes)
  }

  #readIndex(bytes: number): BlockHandle[] {
    if (bytes < footerBytes) throw this.#corrupt('is shorter than its footer')
    const footer = new ByteReader(this.#readBytes(bytes - footerBytes, footerBytes))
    footer.varint()
    footer.varint()
    const index = this.#read(footer.varint(), footer.varint())
    const blocks: BlockHandle[] = []
    const cursor = new BlockCursor(index)
    const handle = new ByteReader(index)
    while (cursor.next()) {
      handle.seek(cursor.valueStart, cursor.valueEnd)
      const lastKey = Buffer.from(cursor.key.subarray(0, cursor.keyBytes - internalKeySuffixBytes))
      blocks.push({ lastKey, offset: handle.varint(), bytes: handle.varint() })
    }
    return blocks
  }

  #read(offset: number, bytes: number): Buffer {
    const block = this.#readBytes(offset, bytes + blockTrailerBytes)
    if (block[bytes] !== 0) throw this.#corrupt(`has a block of compression type ${block[bytes]}`)
    return block.subarray(0, bytes)
  }

  #readBytes(offset: number, bytes: number): Buffer {
    const target = Buffer.allocUnsafeSlow(bytes)
    if (readSync(this.#file, target, 0, bytes, offset) !== bytes) throw this.#corrupt(`ends before ${offset + bytes}`)
    return target
  }

  #corrupt(what: string): MillraceError {
    return new MillraceError('MR_DATA_CORRUPT', `the LevelDB table ${this.path} ${what}`, {
      context: { file: this.path },
    })
  }
}

/** Walks the entries of a block. `key` is put together in a buffer of its own. */
export class BlockCursor {
  readonly block: Buffer
  key: Buffer = Buffer.allocUnsafeSlow(64)
  keyBytes = 0
  valueStart = 0
  valueEnd = 0
  readonly #end: number
  #at = 0

  constructor(block: Buffer) {
    this.block = block
    this.#end = block.length - 4 - 4 * block.readUInt32LE(block.length - 4)
  }

  next(): boolean {
    if (this.#at >= this.#end) return false
    const shared = this.#varint()
    const unshared = this.#varint()
    const valueBytes = this.#varint()
    this.keyBytes = shared + unshared
    if (this.keyBytes > this.key.length) this.key = Buffer.concat([this.key], this.keyBytes * 2)
    this.block.copy(this.key, shared, this.#at, this.#at + unshared)
    this.valueStart = this.#at + unshared
    this.valueEnd = this.valueStart + valueBytes
    this.#at = this.valueEnd
    return true
  }

  #varint(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.block[this.#at++]!
      value |= (byte & 127) << shift
      if (byte < 128) return value >>> 0
    }
  }
}
