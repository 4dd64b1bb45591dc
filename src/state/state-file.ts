/**
 * A file of keyed state as a restore reads it: all of it is verified, and its entries are counted, before the first block
 * is handed out. A small file is read whole. A large one is read twice, piece by piece: memory for all of it would come
 * from the system a page at a time, which costs more than reading again what the system still has.
 */
import { MillraceError } from '../common/errors.ts'
import { ByteReader, ByteWriter } from '../data/bytes.ts'
import type { KeyClass } from './key-class.ts'
import type { Namespace } from './keyed-state-backend.ts'
import {
  blockBytesOf,
  BlockOp,
  BlockReader,
  blocksEnd,
  decodeFileHeader,
  fileHeaderBytesOf,
  type SnapshotSchema,
} from './snapshot-layout.ts'
import type { SnapshotSource, StoredFile } from './snapshot-store.ts'

/** How many entries of one table a file writes. */
export interface WrittenEntries {
  readonly state: number
  readonly namespace: Namespace
  readonly keyClass: KeyClass
  count: number
}

export interface StateFile {
  readonly path: string
  readonly schema: SnapshotSchema
  readonly written: Iterable<WrittenEntries>
  /** Whole blocks, some at a time: each part is valid until the next one. */
  blocks(): AsyncIterable<Uint8Array>
}

/**
 * `onSchema` gets the schema before the rest of the file is verified: time to prepare for it.
 * Errors: MR_CHECKPOINT_CORRUPT, MR_CHECKPOINT_INCOMPATIBLE; MR_DATA_CORRUPT where the file was written wrongly.
 */
export async function openStateFile(
  source: SnapshotSource,
  file: StoredFile,
  onSchema?: (schema: SnapshotSchema) => void,
): Promise<StateFile> {
  const { path } = file
  const pieces = source.pieces?.(file)
  if (pieces === undefined) {
    const bytes = await source.read(file)
    const input = new ByteReader(bytes)
    const schema = decodeFileHeader(input, path)
    onSchema?.(schema)
    const blocks = bytes.subarray(input.position)
    return { path, schema, written: entriesIn(blocks, new Map()).values(), blocks: () => once(blocks) }
  }
  const { schema, written } = await contentsOf(wholeBlocks(pieces), path, onSchema)
  return {
    path,
    schema,
    written: written.values(),
    blocks: () => afterHeader(wholeBlocks(source.pieces!(file, true)!)),
  }
}

type Written = Map<string, WrittenEntries>

/** Reads on to the end of a file that turns out not to be understood: then its checksum says why. */
async function contentsOf(
  parts: AsyncIterable<Uint8Array>,
  path: string,
  onSchema: ((schema: SnapshotSchema) => void) | undefined,
): Promise<{ schema: SnapshotSchema; written: Written }> {
  let schema: SnapshotSchema | undefined
  const written: Written = new Map()
  let defect: { readonly error: unknown } | undefined
  for await (const part of parts) {
    if (defect !== undefined) continue
    try {
      if (schema === undefined) {
        schema = decodeFileHeader(new ByteReader(part), path)
        onSchema?.(schema)
      } else entriesIn(part, written)
    } catch (error) {
      defect = { error }
    }
  }
  if (defect !== undefined) throw defect.error
  // A file without a whole header is not one of keyed state.
  return { schema: schema ?? decodeFileHeader(new ByteReader(new Uint8Array(0)), path), written }
}

/** The header of a file, then whole blocks, as many as are there. Only what is cut through is copied. */
async function* wholeBlocks(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const cut = new ByteWriter(64 * 1024)
  let isHeader = true
  for await (const piece of pieces) {
    let at = 0
    while ((isHeader || cut.position > 0) && at < piece.length) {
      const missing = (isHeader ? fileHeaderBytesOf : blockBytesOf)(cut.buffer, cut.position) - cut.position
      const taken = piece.subarray(at, at + missing)
      cut.raw(taken)
      at += taken.length
      if (cut.position < (isHeader ? fileHeaderBytesOf : blockBytesOf)(cut.buffer, cut.position)) continue
      yield cut.written()
      cut.reset()
      isHeader = false
    }
    const end = blocksEnd(piece, at)
    if (end > at) yield piece.subarray(at, end)
    cut.raw(piece.subarray(end))
  }
  if (cut.position > 0) throw new MillraceError('MR_DATA_CORRUPT', 'a block of state ends beyond its file')
}

async function* afterHeader(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let isHeader = true
  for await (const part of parts) {
    if (!isHeader) yield part
    isHeader = false
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

function entriesIn(blocks: Uint8Array, found: Written): Written {
  const block = new BlockReader(blocks, 0)
  while (block.next()) {
    if (block.op !== BlockOp.Upsert) continue
    const { state, namespace, keyClass, count } = block
    const id = `${state} ${keyClass} ${typeof namespace} ${namespace}`
    const known = found.get(id)
    if (known === undefined) found.set(id, { state, namespace, keyClass, count })
    else known.count += count
  }
  return found
}
