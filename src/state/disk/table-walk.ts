/**
 * Walks over the live entries of a table: those in memory, newest tier first, then those that only the store has.
 * Nothing is seen twice, also where the tiers move to disk between two steps: what shadows what is fixed at the start.
 */
import { ByteReader } from '../../data/bytes.ts'
import type { KeyGroupRange } from '../../data/key-groups.ts'
import type { DiskStore } from './disk-store.ts'
import type { DiskTable } from './disk-table.ts'
import { rangeOfNamespace, readEntryKey } from './entry-key-layout.ts'
import type { EntryWalk, FrontTable } from './front-table.ts'

export interface TableEntry {
  readonly table: DiskTable
  readonly key: unknown
  readonly keyGroup: number
  readonly value: unknown
}

/** A tier as it was when the walk began. */
interface Tier extends EntryWalk {
  readonly front: FrontTable
}

export interface Walked {
  readonly keyGroupRange: KeyGroupRange
  readonly store: DiskStore
}

export function* walkTable(table: DiskTable, of: Walked): Generator<TableEntry, void> {
  const tiers: Tier[] = [tierOf(table.active), ...table.parts.map((part) => tierOf(part.front))]
  const readsStore = !table.isComplete
  if (!readsStore && table.clean !== undefined) tiers.push(tierOf(table.clean))
  for (const tier of tiers) tier.front.walks.add(tier)
  try {
    for (let i = 0; i < tiers.length; i++) yield* walkTier(table, tiers, i)
    if (readsStore) yield* walkStore(table, tiers, of)
  } finally {
    for (const tier of tiers) tier.front.walks.delete(tier)
  }
}

function* walkTier(table: DiskTable, tiers: readonly Tier[], at: number): Generator<TableEntry, void> {
  const tier = tiers[at]!
  const { front } = tier
  while (tier.next < tier.count) {
    const entry = tier.next++
    if (!front.isLive(entry)) continue
    const key = front.keyOf(entry)
    if (isKnown(tiers, at, key)) continue
    front.expose(entry)
    yield { table, key, keyGroup: front.keyGroups[entry]!, value: front.valueOf(entry) }
  }
}

function* walkStore(table: DiskTable, tiers: readonly Tier[], of: Walked): Generator<TableEntry, void> {
  const reader = new ByteReader()
  const { codec } = table.cell
  for (let keyGroup = of.keyGroupRange.first; keyGroup <= of.keyGroupRange.last; keyGroup++) {
    const scan = of.store.scan(rangeOfNamespace(keyGroup, table.prefix))
    try {
      let bytes: Uint8Array | undefined
      while (scan.next()) {
        if (scan.bytes !== bytes) reader.reset((bytes = scan.bytes))
        const key = readEntryKey(reader, scan.keyStart, scan.keyEnd, table.prefix.length)
        if (isKnown(tiers, tiers.length, key)) continue
        reader.seek(scan.valueStart, scan.valueEnd)
        yield { table, key, keyGroup, value: codec.decode(reader) }
      }
    } finally {
      scan.close()
    }
  }
}

/** One of the first `before` tiers knows the key. */
function isKnown(tiers: readonly Tier[], before: number, key: unknown): boolean {
  for (let i = 0; i < before; i++) {
    const entry = tiers[i]!.front.find(key)
    if (entry >= 0 && entry < tiers[i]!.count) return true
  }
  return false
}

function tierOf(front: FrontTable): Tier {
  return { front, next: 0, count: front.count }
}
