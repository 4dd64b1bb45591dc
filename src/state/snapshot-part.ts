/**
 * Keyed data that lives beside a backend but in its snapshots: timers. A part is frozen and written with the backend,
 * in a file of its own that belongs to one checkpoint, and redistributed by key groups like state.
 */
import type { FrozenState } from './frozen-state.ts'
import type { KeyGroupRange } from './keyed-state-backend.ts'
import { BlockReader, encodeFileHeader } from './snapshot-layout.ts'
import type { SnapshotSink, StoredFile } from './snapshot-store.ts'

export interface SnapshotPart {
  /** Freezes the content: what changes from now on is not part of the snapshot. */
  freeze(): FrozenState
  /** Takes the entries of a block whose key group belongs to the subtask. */
  load(block: BlockReader): void
}

/** The parts of one backend, by name. What was restored waits for its part to be added. */
export class SnapshotParts {
  readonly #parts: Map<string, SnapshotPart> = new Map()
  /** Blocks. */
  readonly #restored: Map<string, Uint8Array[]> = new Map()

  add(name: string, part: SnapshotPart): void {
    this.#parts.set(name, part)
    for (const blocks of this.#restored.get(name) ?? []) loadBlocks(part, blocks)
    this.#restored.delete(name)
  }

  /** Takes in blocks of a part; the bytes are the caller's. */
  restore(name: string, blocks: Uint8Array): void {
    const part = this.#parts.get(name)
    if (part !== undefined) return loadBlocks(part, blocks)
    const waiting = this.#restored.get(name) ?? []
    waiting.push(new Uint8Array(blocks))
    this.#restored.set(name, waiting)
  }

  /** Freezes every part now; the files are written by `write`. */
  freeze(maxParallelism: number, keyGroupRange: KeyGroupRange): FrozenParts {
    const frozen = [...this.#parts].map(([name, part]) => [name, part.freeze()] as const)
    const waiting = [...this.#restored]
    const suffix = `${keyGroupRange.first}-${keyGroupRange.last}`
    return {
      async write(sink: SnapshotSink): Promise<StoredFile[]> {
        const files: StoredFile[] = []
        const headerOf = (name: string): Uint8Array => encodeFileHeader({ maxParallelism, states: [], part: name })
        for (const [name, state] of frozen) {
          if (state.isEmpty) continue
          files.push(await sink.writeExclusive(`${name}-${suffix}`, blocksAfter(headerOf(name), state)))
        }
        for (const [name, blocks] of waiting) {
          files.push(await sink.writeExclusive(`${name}-${suffix}`, [headerOf(name), ...blocks]))
        }
        return files
      },
      close: () => {
        for (const [, state] of frozen) state.close()
      },
    }
  }
}

export interface FrozenParts {
  write(sink: SnapshotSink): Promise<StoredFile[]>
  close(): void
}

function loadBlocks(part: SnapshotPart, blocks: Uint8Array): void {
  const block = new BlockReader(blocks, 0)
  while (block.next()) part.load(block)
}

/** What is written at once: every write costs a turn of the event loop, which a busy slot takes every few ms. */
export const chunkBytesDefault: number = 1024 * 1024
/** The encoding of so many blocks takes a few ms at most. */
const blocksPerChunk = 4

/** A file's chunks: its header, then the blocks, some at a time; more are made when those are written. */
export function* blocksAfter(
  header: Uint8Array,
  frozen: FrozenState,
  chunkBytes: number = chunkBytesDefault,
): Generator<Uint8Array> {
  yield header
  let blocks: Uint8Array[] = []
  let bytes = 0
  for (const block of frozen.blocks()) {
    blocks.push(block)
    bytes += block.length
    if (bytes < chunkBytes && blocks.length < blocksPerChunk) continue
    yield joined(blocks)
    blocks = []
    bytes = 0
  }
  if (blocks.length > 0) yield joined(blocks)
}

function joined(blocks: readonly Uint8Array[]): Uint8Array {
  return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks)
}
