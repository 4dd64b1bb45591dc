/**
 * A window that slides over the bytes of one file range and hands out its text piece by piece; a piece holds whole
 * lines. Hot per piece, not per line. Slot's thread.
 *
 * Invariants
 * 1. Pieces are handed out without gap or overlap from the range's first line to the last line that begins before
 *    `range.end`. Every piece but the file's last ends with a line feed.
 * 2. A line feed byte is never part of another character of UTF-8: no character is torn, by pieces or by lines.
 * 3. A piece is small, because strings cut from it keep all of it alive: at most `pieceBytes` unless one line is longer.
 * 4. Offsets are bytes from the start of the (unpacked) file.
 * 5. Decoded by lines, `text` holds a character for each byte, and only `line` knows what it says. Characters of more
 *    than one byte have fewer UTF-16 units than bytes, so a line of as many is ASCII, unless its bytes are no UTF-8.
 */
import { isAscii } from 'node:buffer'
import { MillraceError } from '../../common/errors.ts'
import { Progress } from '../../common/progress.ts'
import { type ByteInput, PlainInput } from './byte-input.ts'
import type { FileRange } from './file-split.ts'
import { lineStop } from './line-stop.ts'

export type TextEncoding = 'utf8' | 'latin1'

export interface TextWindowOptions {
  readonly encoding: TextEncoding
  /**
   * What `text` holds of UTF-8: characters (default), or bytes, and `line` gives the characters. Then lines of ASCII are
   * strings of one byte a character even beside others, and all that users do with them is faster.
   */
  readonly decodes?: 'pieces' | 'lines'
  readonly pieceBytes: number
  /** A longer line is refused with MR_FORMAT_MALFORMED. */
  readonly lineBytesMax: number
}

const lineFeed = 10
const bufferBytes = 1 << 20

/** Buffers that are not in use by a window of this thread. */
const sparePool: Buffer[] = []
const spareBuffersMax = 4

export class TextWindow {
  /** The piece at hand. */
  text = ''
  /** Next character of `text` to be read; the reader moves it, always to the start of a line. */
  cursor = 0
  readonly path: string

  readonly #input: ByteInput
  readonly #options: TextWindowOptions
  readonly #rangeEnd: number
  readonly #decodesLines: boolean
  /** Decoding by lines: the piece's characters, where not all are ASCII; bytes that are no UTF-8 among them. */
  #units = ''
  #isBroken = false
  /** Where the line last asked for stopped, in `text` and in `#units`. */
  #byteStop = 0
  #unitStop = 0
  #buffer: Buffer = sparePool.pop() ?? Buffer.allocUnsafeSlow(bufferBytes)
  /** Offset in the file of the buffer's first byte. */
  #bufferOffset: number
  #pieceStart = 0
  #pieceEnd = 0
  #filled = 0
  #isAtEnd = false
  /** The piece that was asked for could not be made yet. */
  #isPending = false
  #wantedBytes = 0
  /** The range begins inside a line that belongs to the range before. */
  #skipsLine: boolean
  #checksBom: boolean
  /** Line number at the piece's start, kept for compressed files only: elsewhere it is cheaper to count when asked. */
  #line: number | undefined
  #asked = { offset: 0, line: 1 }

  constructor(input: ByteInput, range: FileRange, options: TextWindowOptions) {
    this.#input = input
    this.#options = options
    this.path = range.path
    this.#rangeEnd = range.end
    this.#decodesLines = options.decodes === 'lines' && options.encoding === 'utf8'
    this.#bufferOffset = firstOffset(range)
    this.#skipsLine = range.position === undefined && range.start > 0
    this.#checksBom = this.#bufferOffset === 0 && options.encoding === 'utf8'
    this.#line = range.end === Number.POSITIVE_INFINITY ? (range.line ?? 1) : undefined
  }

  /** Makes the next piece: Working where there is one, Idle where its bytes must be awaited, Done at the end. */
  advance(): Progress {
    if (!this.#isPending) this.#moveTo(this.#pieceEnd, this.#options.pieceBytes)
    return this.#makePiece()
  }

  /** Makes a longer piece that begins at the cursor; Done where it is the same again, because nothing follows. */
  extend(): Progress {
    const endOffset = this.#bufferOffset + this.#pieceEnd
    this.#moveTo(this.#cursorIndex(), (this.#pieceEnd - this.#pieceStart) * 2)
    const progress = this.#makePiece()
    return progress === Progress.Working && this.#bufferOffset + this.#pieceEnd === endOffset ? Progress.Done : progress
  }

  /** The line in `text` from `start` up to `stop`, without its end. Asked for all lines of a piece in order. */
  line(start: number, stop: number): string {
    const units = this.#units
    if (units === '') return this.text.slice(start, stop)
    const from = this.#unitStop + start - this.#byteStop
    const found = units.indexOf('\n', from)
    const to = lineStop(units, from, found < 0 ? units.length : found)
    this.#byteStop = stop
    this.#unitStop = to
    const isAsciiLine = to - from === stop - start && !this.#isBroken
    return isAsciiLine ? this.text.slice(start, stop) : units.slice(from, to)
  }

  /** Offset in the file of the line at the cursor. */
  cursorOffset(): number {
    return this.#bufferOffset + this.#cursorIndex()
  }

  /** Line number at the cursor, from 1, where it is known without reading the file again. */
  cursorLineIfKept(): number | undefined {
    if (this.#line === undefined) return undefined
    return this.#line + countLineFeeds(this.#buffer, this.#pieceStart, this.#cursorIndex())
  }

  /** Line number at the cursor, from 1. For errors: the file is read again, from where a line was last asked for. */
  cursorLine(): number {
    const kept = this.cursorLineIfKept()
    if (kept !== undefined) return kept
    const offset = this.cursorOffset()
    const line = this.#asked.line + countLineFeedsOfFile(this.path, this.#asked.offset, offset)
    this.#asked = { offset, line }
    return line
  }

  close(): void {
    this.#input.close()
    if (this.#buffer.length === bufferBytes && sparePool.length < spareBuffersMax) sparePool.push(this.#buffer)
    this.#buffer = Buffer.alloc(0)
    this.text = this.#units = ''
  }

  #moveTo(index: number, wantedBytes: number): void {
    if (this.#line !== undefined) this.#line += countLineFeeds(this.#buffer, this.#pieceStart, index)
    this.#pieceStart = this.#pieceEnd = index
    this.#wantedBytes = wantedBytes
    this.#isPending = true
    this.text = ''
    this.cursor = 0
  }

  #makePiece(): Progress {
    if (this.#checksBom && !this.#skipBom()) return Progress.Idle
    if (this.#skipsLine) {
      const progress = this.#skipLine()
      if (progress !== Progress.Working) return progress
    }
    if (this.#bufferOffset + this.#pieceStart >= this.#rangeEnd) return Progress.Done
    for (;;) {
      const end = this.#findEnd()
      if (end > 0) {
        this.#pieceEnd = end
        this.#decode(end)
        this.#isPending = false
        return Progress.Working
      }
      if (this.#isAtEnd) return Progress.Done
      if (!this.#fill()) return Progress.Idle
    }
  }

  #decode(end: number): void {
    const start = this.#pieceStart
    const { encoding } = this.#options
    this.text = this.#buffer.toString(this.#decodesLines ? 'latin1' : encoding, start, end)
    this.#units = ''
    if (!this.#decodesLines || isAscii(this.#buffer.subarray(start, end))) return
    this.#units = this.#buffer.toString(encoding, start, end)
    this.#isBroken = this.#units.includes('\uFFFD')
    this.#byteStop = this.#unitStop = 0
  }

  /** Where the next piece ends; 0 where more bytes are needed to say so (or none are left). */
  #findEnd(): number {
    const start = this.#pieceStart
    const wantedBytes = this.#wantedBytes
    const have = this.#filled - start
    let end = 0
    if (have >= wantedBytes) {
      end = this.#buffer.lastIndexOf(lineFeed, start + wantedBytes - 1) + 1
      if (end <= start) end = this.#indexOfLineFeed(start + wantedBytes) + 1
    }
    if (end <= start && this.#isAtEnd) end = have > 0 ? this.#filled : 0
    if (end <= start) return 0
    const lastStart = this.#rangeEnd - 1 - this.#bufferOffset
    if (lastStart >= end) return end
    const borderEnd = this.#indexOfLineFeed(Math.max(start, lastStart)) + 1
    return borderEnd > 0 && borderEnd < end ? borderEnd : end
  }

  #indexOfLineFeed(from: number): number {
    const found = this.#buffer.indexOf(lineFeed, from)
    return found >= this.#filled ? -1 : found
  }

  /** Reads more; false where it must be awaited. Makes room by moving what is left to the front, or by growing. */
  #fill(): boolean {
    if (this.#filled === this.#buffer.length) this.#makeRoom()
    const count = this.#input.read(this.#buffer, this.#filled)
    if (count < 0) return false
    if (count === 0) this.#isAtEnd = true
    this.#filled += count
    return true
  }

  #makeRoom(): void {
    const start = this.#pieceStart
    if (start > 0) {
      this.#buffer.copyWithin(0, start, this.#filled)
      this.#bufferOffset += start
      this.#filled -= start
      this.#pieceStart = this.#pieceEnd = 0
      return
    }
    const { lineBytesMax } = this.#options
    if (this.#buffer.length >= lineBytesMax) throw this.#tooLong(lineBytesMax)
    const grown = Buffer.allocUnsafeSlow(Math.min(this.#buffer.length * 2, Math.max(lineBytesMax, bufferBytes)))
    this.#buffer.copy(grown, 0, 0, this.#filled)
    this.#buffer = grown
  }

  #tooLong(lineBytesMax: number): MillraceError {
    const offset = this.#bufferOffset + this.#pieceStart
    const message = `a line of ${this.path} at byte ${offset} is longer than lineBytesMax = ${lineBytesMax}`
    return new MillraceError('MR_FORMAT_MALFORMED', message, { context: { file: this.path, offset } })
  }

  #skipBom(): boolean {
    while (this.#filled < 3 && !this.#isAtEnd) if (!this.#fill()) return false
    const [a, b, c] = this.#buffer
    if (this.#filled >= 3 && a === 0xef && b === 0xbb && c === 0xbf) this.#pieceStart = this.#pieceEnd = 3
    this.#checksBom = false
    return true
  }

  /** Goes on to the start of the first line of this range, forgetting what lies before. */
  #skipLine(): Progress {
    for (;;) {
      const found = this.#indexOfLineFeed(this.#pieceStart)
      if (found >= 0) {
        this.#pieceStart = this.#pieceEnd = found + 1
        this.#skipsLine = false
        return Progress.Working
      }
      this.#pieceStart = this.#pieceEnd = this.#filled
      if (this.#isAtEnd) return Progress.Done
      if (!this.#fill()) return Progress.Idle
    }
  }

  /** Buffer index of the line at the cursor. Lines, not characters, are counted: bad UTF-8 may decode to more bytes. */
  #cursorIndex(): number {
    const { text, cursor } = this
    if (cursor === 0) return this.#pieceStart
    if (cursor >= text.length) return this.#pieceEnd
    let index = this.#pieceStart
    for (let at = text.indexOf('\n'); at >= 0 && at < cursor; at = text.indexOf('\n', at + 1)) {
      index = this.#buffer.indexOf(lineFeed, index) + 1
    }
    return index
  }
}

/** One byte early, so that a line that begins exactly at `start` is seen to begin there. */
export function firstOffset(range: FileRange): number {
  if (range.position !== undefined) return range.position
  return range.start > 0 ? range.start - 1 : 0
}

function countLineFeeds(buffer: Buffer, from: number, to: number): number {
  let count = 0
  for (let at = buffer.indexOf(lineFeed, from); at >= 0 && at < to; at = buffer.indexOf(lineFeed, at + 1)) count++
  return count
}

function countLineFeedsOfFile(path: string, from: number, end: number): number {
  const input = new PlainInput(path, from, end)
  const buffer = Buffer.allocUnsafe(bufferBytes)
  let count = 0
  try {
    for (let offset = from; offset < end;) {
      const read = input.read(buffer, 0)
      if (read === 0) break
      count += countLineFeeds(buffer, 0, Math.min(read, end - offset))
      offset += read
    }
  } finally {
    input.close()
  }
  return count
}
