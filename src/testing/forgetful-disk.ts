/**
 * A disk in memory that behaves as badly as real ones are allowed to. What was not synced may be lost, in part or
 * whole, at a crash; a torn write leaves a prefix, or zeros where bytes should be; it can be slow, full or read-only.
 * Everything follows from a seed. It stands in for `nodeFileSystem` in tests and in the whole-job simulator.
 *
 * The model
 * 1. A file is an inode with bytes and with the bytes that `sync` made durable. A directory is a set of names. One that is
 *    made again after it was removed is another one, and nothing of the old one comes back in it.
 * 2. Every change of names (create, link, rename, remove, makeDirectory) is one entry of a journal; `syncDirectory`
 *    makes all entries durable that touch that directory. A rename is one entry: after a crash it has happened or not.
 * 3. `crash()` answers the disk that the next process finds: durable entries, plus some of the others in their order
 *    (none, all, a prefix, or any), and of every unsynced file its durable bytes, all, or a torn mixture.
 */
import type { FileHandle, FileSystem } from '../common/file-system.ts'
import { type Prng, prng } from '../common/prng.ts'

/** How a ForgetfulDisk behaves. */
export interface ForgetfulDiskOptions {
  readonly seed: number
  /** Fails with ENOSPC what would hold more bytes. */
  readonly capacityBytes?: number
  /** Every operation waits for up to so many turns of the promise queue: other tasks get in between. */
  readonly slowTurnsMax?: number
}

/** What operations fail with once the process is dead. It is no MillraceError: nobody may handle it. */
export class PowerCut extends Error {
  readonly code = 'POWERCUT'
}

interface Inode {
  bytes: Uint8Array
  synced: Uint8Array
}

class Directory {
  readonly isDirectory = true
}

type Node = Inode | Directory

/** A name's new meaning: a file, a directory, or nothing. */
interface NameChange {
  readonly directory: string
  /** The one that was there by that name. */
  readonly parent: Directory
  readonly path: string
  readonly node: Node | undefined
}

interface JournalEntry {
  readonly changes: readonly NameChange[]
  durable: boolean
}

/**
 * A disk in memory, to be given where a `fileSystem` is asked for: `crash()` answers what the next process finds.
 * @example
 * const disk = new ForgetfulDisk({ seed: 1 })
 * await disk.makeDirectory('/data')
 * const after = disk.crash()
 */
export class ForgetfulDisk implements FileSystem {
  /** Operations begun so far. */
  operations: number = 0
  /** The number of the operation at which the power is cut: it happens in part. */
  powerCutAt: number = Number.POSITIVE_INFINITY
  /** Operations that change anything fail with EROFS. */
  readOnly: boolean = false
  capacityBytes: number
  readonly #random: Prng
  readonly #slowTurnsMax: number
  readonly #durableNames: Map<string, Node>
  readonly #names: Map<string, Node>
  #journal: JournalEntry[] = []
  #isDead = false

  constructor(options: ForgetfulDiskOptions, names: Iterable<readonly [string, Node]> = []) {
    this.#random = prng(options.seed)
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY
    this.#slowTurnsMax = options.slowTurnsMax ?? 0
    this.#names = new Map<string, Node>([['/', new Directory()], ...names])
    this.#durableNames = new Map(this.#names)
  }

  /** Ends this process (every later operation throws PowerCut) and answers what the next one finds. */
  crash(options: ForgetfulDiskOptions = { seed: this.#random.nextUint32() }): ForgetfulDisk {
    this.#isDead = true
    const names = new Map(this.#durableNames)
    const fate = this.#random.nextBelow(4)
    const prefix = this.#random.nextBelow(this.#journal.length + 1)
    for (const [index, entry] of this.#journal.entries()) {
      const happened =
        entry.durable || fate === 1 || (fate === 2 && index < prefix) || (fate === 3 && this.#random.nextBelow(2) === 1)
      if (happened) for (const change of entry.changes) applyAfterCrash(names, change)
    }
    for (const path of names.keys()) if (path !== '/' && !isReachable(names, path)) names.delete(path)
    const survivors = new Map<Inode, Inode>()
    const after: [string, Node][] = []
    for (const [path, node] of names) {
      after.push([path, node instanceof Directory ? node : this.#survivor(node, survivors)])
    }
    return new ForgetfulDisk(options, after)
  }

  /** The same disk for a process that ends in order: nothing is lost. */
  remount(options: ForgetfulDiskOptions): ForgetfulDisk {
    this.#isDead = true
    return new ForgetfulDisk(options, this.#names)
  }

  /** Changes one byte of a file where it lies, as bad hardware does. */
  flipByte(path: string, offset: number): void {
    const node = this.#file(path)
    const bytes = Uint8Array.from(node.bytes)
    bytes[offset] = (bytes[offset] ?? 0) ^ 0x55
    node.bytes = bytes
    node.synced = bytes
  }

  /** Paths of all files, sorted. */
  files(): string[] {
    return [...this.#names].flatMap(([path, node]) => (node instanceof Directory ? [] : [path])).toSorted()
  }

  usedBytes(): number {
    let bytes = 0
    for (const node of new Set(this.#names.values())) if (!(node instanceof Directory)) bytes += node.bytes.byteLength
    return bytes
  }

  async open(path: string, mode: 'truncate' | 'exclusive' | 'append'): Promise<FileHandle> {
    await this.#operation(() => {
      this.#mustWrite(path)
      const found = this.#names.get(path)
      if (found instanceof Directory) throw errno('EISDIR', path)
      if (found !== undefined && mode === 'exclusive') throw errno('EEXIST', path)
      if (found === undefined) this.#change([this.#naming(path, { bytes: empty, synced: empty })])
      else if (mode === 'truncate') found.bytes = empty
    })
    const inode = this.#file(path)
    return {
      write: (bytes) =>
        this.#operation(
          () => {
            this.#mustWrite(path)
            if (this.usedBytes() + bytes.byteLength > this.capacityBytes) throw errno('ENOSPC', path)
            inode.bytes = concat(inode.bytes, bytes)
          },
          () => {
            inode.bytes = concat(inode.bytes, bytes.subarray(0, this.#random.nextBelow(bytes.byteLength + 1)))
          },
        ),
      sync: () => this.#operation(() => void (inode.synced = inode.bytes)),
      close: () => this.#operation(() => undefined),
    }
  }

  async readFile(path: string): Promise<Uint8Array> {
    await this.#operation(() => undefined)
    return Uint8Array.from(this.#file(path).bytes)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#operation(() => {
      this.#mustWrite(to)
      const node = this.#node(from)
      const target = this.#names.get(to)
      if (target === node) return
      if (node instanceof Directory && target === undefined) return this.#renameDirectory(from, to)
      if (node instanceof Directory || target instanceof Directory) throw errno('EISDIR', to)
      this.#change([this.#naming(from, undefined), this.#naming(to, node)])
    })
  }

  async link(existing: string, to: string): Promise<void> {
    await this.#operation(() => {
      this.#mustWrite(to)
      const node = this.#file(existing)
      if (this.#names.has(to)) throw errno('EEXIST', to)
      this.#change([this.#naming(to, node)])
    })
  }

  async unlink(path: string): Promise<void> {
    await this.#operation(() => {
      this.#mustWrite(path)
      this.#file(path)
      this.#change([this.#naming(path, undefined)])
    })
  }

  async truncate(path: string, bytes: number): Promise<void> {
    await this.#operation(() => {
      this.#mustWrite(path)
      const inode = this.#file(path)
      const kept = inode.bytes.subarray(0, bytes)
      inode.bytes = concat(kept, new Uint8Array(bytes - kept.byteLength))
    })
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#operation(() => {
      if (this.#names.has(path)) return
      this.#mustWrite(undefined)
      const missing: string[] = []
      for (let parent = path; !this.#names.has(parent); parent = parentOf(parent)) missing.unshift(parent)
      for (const directory of missing) this.#change([this.#naming(directory, new Directory())])
    })
  }

  async list(path: string): Promise<string[]> {
    await this.#operation(() => undefined)
    if (!(this.#node(path) instanceof Directory)) throw errno('ENOTDIR', path)
    const prefix = path === '/' ? '/' : `${path}/`
    const names = [...this.#names.keys()].filter((name) => name !== '/' && parentOf(name) === path)
    return names.map((name) => name.slice(prefix.length)).toSorted()
  }

  async stat(path: string): Promise<{ bytes: number; isDirectory: boolean; mtimeMs: number } | undefined> {
    await this.#operation(() => undefined)
    const node = this.#names.get(path)
    if (node === undefined) return undefined
    const isDirectory = node instanceof Directory
    return { bytes: isDirectory ? 0 : node.bytes.byteLength, isDirectory, mtimeMs: 0 }
  }

  /** Every entry by itself, the deepest first, as the real one does. */
  async remove(path: string): Promise<void> {
    const doomed = [...this.#names.keys()].filter((name) => name === path || name.startsWith(`${path}/`))
    for (const name of doomed.toSorted((a, b) => b.length - a.length)) {
      await this.#operation(() => {
        this.#mustWrite(undefined)
        if (this.#names.has(name)) this.#change([this.#naming(name, undefined)])
      })
    }
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#operation(() => {
      const directory = this.#node(path)
      if (!(directory instanceof Directory)) throw errno('ENOTDIR', path)
      for (const entry of this.#journal) {
        if (entry.changes.some((change) => change.parent === directory)) entry.durable = true
      }
      while (this.#journal[0]?.durable === true) {
        for (const change of this.#journal.shift()?.changes ?? []) apply(this.#durableNames, change)
      }
    })
  }

  /** One operation: counted, slow, and at the fatal number done in part or whole or not at all. */
  async #operation(act: () => void, actInPart: () => void = () => undefined): Promise<void> {
    this.#mustLive()
    const turns = this.#slowTurnsMax === 0 ? 0 : this.#random.nextBelow(this.#slowTurnsMax + 1)
    for (let turn = 0; turn < turns; turn++) await undefined
    this.#mustLive()
    if (++this.operations < this.powerCutAt) return act()
    const fate = this.#random.nextBelow(3)
    if (fate === 1) actInPart()
    try {
      if (fate === 2) act()
    } finally {
      this.#isDead = true
    }
    throw new PowerCut(`power cut at operation ${this.operations}`)
  }

  #mustLive(): void {
    if (this.#isDead) throw new PowerCut('the process is dead')
  }

  #mustWrite(path: string | undefined): void {
    if (this.readOnly) throw errno('EROFS', path ?? '')
    if (path !== undefined && !(this.#names.get(parentOf(path)) instanceof Directory)) {
      throw errno('ENOENT', path)
    }
  }

  #node(path: string): Node {
    const node = this.#names.get(path)
    if (node === undefined) throw errno('ENOENT', path)
    return node
  }

  #file(path: string): Inode {
    const node = this.#node(path)
    if (node instanceof Directory) throw errno('EISDIR', path)
    return node
  }

  #naming(path: string, node: NameChange['node']): NameChange {
    const directory = parentOf(path)
    return { directory, parent: this.#names.get(directory) as Directory, path, node }
  }

  #change(changes: readonly NameChange[]): void {
    for (const change of changes) apply(this.#names, change)
    this.#journal.push({ changes, durable: false })
  }

  #renameDirectory(from: string, to: string): void {
    const below = [...this.#names].filter(([path]) => path.startsWith(`${from}/`))
    const removals = below.map(([path]) => this.#naming(path, undefined))
    const additions = below.map(([path, node]): NameChange => {
      const { directory, parent } = this.#naming(path, node)
      return { directory: to + directory.slice(from.length), parent, path: to + path.slice(from.length), node }
    })
    const moved = [this.#naming(from, undefined), this.#naming(to, this.#node(from))]
    this.#change([...removals, ...moved, ...additions.toSorted((a, b) => a.path.length - b.path.length)])
  }

  #survivor(inode: Inode, survivors: Map<Inode, Inode>): Inode {
    let survivor = survivors.get(inode)
    if (survivor === undefined) {
      const bytes = inode.bytes === inode.synced ? inode.bytes : this.#torn(inode)
      survivors.set(inode, (survivor = { bytes, synced: bytes }))
    }
    return survivor
  }

  #torn({ bytes, synced }: Inode): Uint8Array {
    const fate = this.#random.nextBelow(4)
    if (fate === 0) return synced
    if (fate === 1) return bytes
    // What was synced and not changed since cannot be torn.
    const kept = commonLength(bytes, synced)
    const cut = kept + this.#random.nextBelow(bytes.byteLength - kept + 1)
    // The length was written, the bytes were not; or neither was.
    return fate === 2 ? bytes.slice(0, cut) : concat(bytes.subarray(0, cut), new Uint8Array(bytes.byteLength - cut))
  }
}

const empty = new Uint8Array(0)

function commonLength(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.byteLength, b.byteLength)
  let i = 0
  while (i < length && a[i] === b[i]) i++
  return i
}

/** What happened in a directory that is not there any more, or not yet, nobody sees. */
function applyAfterCrash(names: Map<string, Node>, change: NameChange): void {
  if (names.get(change.directory) !== change.parent) return
  if (names.get(change.path) instanceof Directory) {
    for (const path of names.keys()) if (path.startsWith(`${change.path}/`)) names.delete(path)
  }
  apply(names, change)
}

function apply(names: Map<string, Node>, change: NameChange): void {
  if (change.node === undefined) names.delete(change.path)
  else names.set(change.path, change.node)
}

function isReachable(names: ReadonlyMap<string, Node>, path: string): boolean {
  for (let parent = parentOf(path); parent !== '/'; parent = parentOf(parent)) {
    if (!(names.get(parent) instanceof Directory)) return false
  }
  return true
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash <= 0 ? '/' : path.slice(0, slash)
}

function concat(left: Uint8Array, right: Uint8Array): Uint8Array {
  const joined = new Uint8Array(left.byteLength + right.byteLength)
  joined.set(left)
  joined.set(right, left.byteLength)
  return joined
}

function errno(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code, path })
}
