/**
 * LevelDB's MANIFEST: a log of changes to the set of live tables. Read to link exactly that set into a snapshot, and to
 * walk the tables synchronously, which LevelDB's binding cannot.
 *
 *   blocks of 32 KiB of records: | crc u32 | length u16 | type u8: 1 full, 2 first, 3 middle, 4 last | data |
 *   a record is a list of fields: | tag varint | … |, see `applyEdit`
 *
 * The file may grow while it is read: what is cut at its end does not count yet.
 */
import { MillraceError } from '../../common/errors.ts'
import { ByteReader } from '../../data/bytes.ts'

export interface LiveTable {
  readonly level: number
  readonly number: number
  readonly bytes: number
  /** User keys, both included. */
  readonly smallest: Buffer
  readonly largest: Buffer
}

export interface LiveVersion {
  readonly tables: readonly LiveTable[]
  /** Length of the whole records: what a copy of the file must hold. */
  readonly manifestBytes: number
}

const blockBytes = 32_768
const headerBytes = 7
/** Sequence number and type at the end of an internal key. */
export const internalKeySuffixBytes = 8

export function readVersion(manifest: Buffer): LiveVersion {
  const tables = new Map<number, LiveTable>()
  const parts: Buffer[] = []
  let manifestBytes = 0
  let at = 0
  for (;;) {
    if (blockBytes - (at % blockBytes) < headerBytes) at += blockBytes - (at % blockBytes)
    if (at + headerBytes > manifest.length) break
    const length = manifest.readUInt16LE(at + 4)
    const type = manifest[at + 6]!
    const end = at + headerBytes + length
    if (type === 0 || end > manifest.length) break
    if (type === 1 || type === 2) parts.length = 0
    parts.push(manifest.subarray(at + headerBytes, end))
    at = end
    if (type !== 1 && type !== 4) continue
    applyEdit(Buffer.concat(parts), tables)
    manifestBytes = at
  }
  return { tables: [...tables.values()], manifestBytes }
}

function applyEdit(edit: Buffer, tables: Map<number, LiveTable>): void {
  const input = new ByteReader(edit)
  while (input.remaining > 0) {
    const tag = input.varint()
    switch (tag) {
      case 1: // comparator's name
        input.skip(input.varint())
        break
      case 2: // number of the log
      case 3: // next file number
      case 4: // last sequence number
      case 9: // number of the previous log
        skipVarint(input)
        break
      case 5: // where the next compaction of a level begins
        input.varint()
        input.skip(input.varint())
        break
      case 6: // a table is gone
        input.varint()
        tables.delete(input.varint())
        break
      case 7: {
        const level = input.varint()
        const number = input.varint()
        const bytes = input.varint()
        tables.set(number, { level, number, bytes, smallest: userKey(input), largest: userKey(input) })
        break
      }
      default:
        throw new MillraceError('MR_DATA_CORRUPT', `unknown field ${tag} in a LevelDB manifest`)
    }
  }
}

/** Numbers of 64 bits that nobody needs here. */
function skipVarint(input: ByteReader): void {
  while (input.u8() >= 128);
}

function userKey(input: ByteReader): Buffer {
  const key = Buffer.from(input.raw(input.varint()))
  return key.subarray(0, key.length - internalKeySuffixBytes)
}
