/**
 * The handle of a snapshot made of an engine's own files: what its `meta` holds. `files[i]` is the file `names[i]` of
 * the engine's directory; files beyond the names are those of snapshot parts (timers), in the format of all backends.
 *
 * Version 1 had no parts.
 */
import { MillraceError } from '../../common/errors.ts'
import type { KeyedStateHandle, Namespace } from '../keyed-state-backend.ts'
import type { StateSpec } from '../state-spec.ts'

export const diskFormatVersion = 2

export interface StoredState {
  /** In the keys of the store. */
  readonly id: number
  readonly spec: StateSpec
  /** Number of live entries by namespace ("n" + number or "t" + text); -1: not counted. */
  readonly namespaces: readonly (readonly [namespace: string, count: number])[]
}

export interface DiskMeta {
  readonly layout: 'tables'
  /** Of the engine's files. */
  readonly format: string
  readonly maxParallelism: number
  readonly names: readonly string[]
  readonly states: readonly StoredState[]
}

export function isTablesHandle(handle: KeyedStateHandle): boolean {
  return (handle.meta as { layout?: unknown } | null)?.layout === 'tables'
}

/** Written before timers were. */
export function lacksTimers(handle: KeyedStateHandle): boolean {
  return isTablesHandle(handle) && handle.formatVersion === 1
}

/** Refuses what this backend cannot read, with the reason. */
export function diskMetaOf(handle: KeyedStateHandle, format: string, maxParallelism: number): DiskMeta {
  const meta = handle.meta as DiskMeta
  if (handle.formatVersion < 1 || handle.formatVersion > diskFormatVersion) {
    throw incompatible(
      `has format version ${handle.formatVersion}, this program reads versions up to ${diskFormatVersion}`,
    )
  }
  if (meta.format !== format) {
    throw incompatible(
      `consists of ${meta.format} files and the backend is ${format}: restore with ${handle.backend}, or from a savepoint`,
    )
  }
  if (meta.maxParallelism !== maxParallelism) {
    throw incompatible(`was written with max parallelism ${meta.maxParallelism}, the program has ${maxParallelism}`)
  }
  if (meta.names.length > handle.files.length) {
    throw new MillraceError(
      'MR_CHECKPOINT_CORRUPT',
      `keyed state names ${meta.names.length} files of ${handle.files.length}`,
    )
  }
  for (const name of meta.names) {
    if (!/^[\w.-]+$/.test(name)) {
      throw new MillraceError('MR_CHECKPOINT_CORRUPT', `keyed state has a file named ${JSON.stringify(name)}`)
    }
  }
  return meta
}

/** The files of parts, as those of a snapshot in the format of all backends. */
export function partsOf(handle: KeyedStateHandle): KeyedStateHandle {
  return { ...handle, files: handle.files.slice((handle.meta as DiskMeta).names.length) }
}

function incompatible(what: string): MillraceError {
  return new MillraceError('MR_CHECKPOINT_INCOMPATIBLE', `the checkpoint's keyed state ${what}`)
}

export function encodeNamespace(namespace: Namespace): string {
  return typeof namespace === 'number' ? `n${namespace}` : `t${namespace}`
}

export function decodeNamespace(encoded: string): Namespace {
  return encoded.startsWith('n') ? Number(encoded.slice(1)) : encoded.slice(1)
}
