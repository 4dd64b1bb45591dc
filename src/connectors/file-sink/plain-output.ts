/**
 * The directory of a plain output, which appears as a whole or not at all. Coordinator, and slots to find the staging
 * directory; cold.
 *
 * Invariants
 * 1. Part files are written below a hidden staging directory beside the output directory (`.NAME.partial`), or within it
 *    (`NAME/.partial`) where the parent cannot be written or lies on another disk.
 * 2. Beside: one rename publishes everything. Within: one rename per entry, since there is no other way.
 * 3. An output that is replaced (`overwrite`) is moved aside before and removed after the new one is in its place.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { MillraceError } from '../../common/errors.ts'
import { sinkError } from './sink-error.ts'

const insideName = '.partial'

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
    this.discard()
    if (!overwrite) refuseTaken(this.directory)
    try {
      this.#makeStaging()
    } catch (error) {
      throw sinkError(this.directory, error)
    }
  }

  #makeStaging(): void {
    if (!isMountPoint(this.directory)) {
      try {
        mkdirSync(dirname(this.directory), { recursive: true })
        mkdirSync(this.#beside)
        return
      } catch (error) {
        if (!existsSync(this.directory)) throw error
      }
    }
    mkdirSync(this.#inside, { recursive: true })
  }

  /** Where part files are written now. */
  staging(): string {
    return existsSync(this.#beside) ? this.#beside : this.#inside
  }

  publish(): void {
    try {
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
