/**
 * The directory of a plain output, which appears as a whole or not at all. Coordinator, and slots to find the staging
 * directory; cold.
 *
 * Invariants
 * 1. Part files are written below a hidden staging directory beside the output directory (`.NAME.partial`), or within it
 *    (`NAME/.partial`) where the parent cannot be written or lies on another disk.
 * 2. Beside: one rename publishes everything. Within: one rename per entry, since there is no other way.
 * 3. An output that is replaced (`overwrite`) is moved aside before and removed after the new one is in its place.
 * 4. A staging directory names its process (`.owner`): what a process that is gone has left is removed, what another one
 *    is writing now is left alone.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { MillraceError } from '../../common/errors.ts'
import { makeDirectorySync } from '../../common/file-system.ts'
import { type ProcessIdentity, systemProcesses } from '../../common/processes.ts'
import { sinkError } from './sink-error.ts'

const insideName = '.partial'
const ownerName = '.owner'

export class PlainOutput {
  readonly directory: string
  readonly #beside: string
  readonly #inside: string
  readonly #replaced: string

  /** `directory` is absolute. */
  constructor(directory: string) {
    this.directory = directory
    this.#beside = join(dirname(directory), `.${basename(directory)}.partial`)
    this.#inside = join(directory, insideName)
    this.#replaced = join(dirname(directory), `.${basename(directory)}.replaced`)
  }

  /** Checks that the output may be written, clears what a failed run left, and makes the staging directory. */
  prepare(overwrite: boolean): void {
    for (const staging of [this.#beside, this.#inside]) refuseInUse(this.directory, staging)
    this.discard()
    if (!overwrite) refuseTaken(this.directory)
    try {
      this.#makeStaging()
      writeFileSync(join(this.staging(), ownerName), JSON.stringify(systemProcesses.self()))
    } catch (error) {
      throw sinkError(this.directory, error)
    }
  }

  #makeStaging(): void {
    if (!isMountPoint(this.directory)) {
      try {
        makeDirectorySync(dirname(this.directory))
        mkdirSync(this.#beside)
        return
      } catch (error) {
        if (!existsSync(this.directory)) throw error
      }
    }
    makeDirectorySync(this.#inside)
  }

  /** Where part files are written now. */
  staging(): string {
    return existsSync(this.#beside) ? this.#beside : this.#inside
  }

  publish(): void {
    try {
      rmSync(join(this.staging(), ownerName), { force: true })
      if (existsSync(this.#beside)) this.#publishWhole()
      else this.#publishEntries()
    } catch (error) {
      throw sinkError(this.directory, error)
    }
  }

  /** Removes what is not published. Idempotent. */
  discard(): void {
    rmSync(this.#beside, { recursive: true, force: true })
    rmSync(this.#inside, { recursive: true, force: true })
  }

  #publishWhole(): void {
    const isTaken = existsSync(this.directory) && readdirSync(this.directory).length > 0
    if (isTaken) {
      rmSync(this.#replaced, { recursive: true, force: true })
      renameSync(this.directory, this.#replaced)
    }
    renameSync(this.#beside, this.directory)
    if (isTaken) rmSync(this.#replaced, { recursive: true, force: true })
  }

  #publishEntries(): void {
    if (!existsSync(this.#inside)) return
    for (const name of readdirSync(this.directory)) {
      if (name !== insideName) rmSync(join(this.directory, name), { recursive: true, force: true })
    }
    for (const name of readdirSync(this.#inside)) renameSync(join(this.#inside, name), join(this.directory, name))
    rmSync(this.#inside, { recursive: true, force: true })
  }
}

/** MR_SINK_EXISTS where another process, which runs, writes into the staging directory. */
function refuseInUse(directory: string, staging: string): void {
  let owner: ProcessIdentity
  try {
    owner = JSON.parse(readFileSync(join(staging, ownerName), 'utf8')) as ProcessIdentity
  } catch {
    return
  }
  if (owner.pid === process.pid || !systemProcesses.isAlive(owner)) return
  const message = `process ${owner.pid} on ${owner.host} is writing to ${directory}; if it is gone, remove ${staging}`
  throw new MillraceError('MR_SINK_EXISTS', message, { context: { file: directory } })
}

/** MR_SINK_EXISTS where the path is a file or a directory that holds anything visible or foreign. */
export function refuseTaken(directory: string): void {
  const stats = statSync(directory, { throwIfNoEntry: false })
  if (stats === undefined) return
  const context = { file: directory }
  if (!stats.isDirectory()) {
    throw new MillraceError('MR_SINK_EXISTS', `the output path ${directory} is a file, not a directory`, { context })
  }
  const names = readdirSync(directory)
  if (names.length === 0) return
  const message = `the output directory ${directory} is not empty (it holds ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''})`
  throw new MillraceError('MR_SINK_EXISTS', message, { context })
}

function isMountPoint(directory: string): boolean {
  const own = statSync(directory, { throwIfNoEntry: false })
  const parent = statSync(dirname(directory), { throwIfNoEntry: false })
  return own !== undefined && parent !== undefined && own.dev !== parent.dev
}
