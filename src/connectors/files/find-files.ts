/**
 * From what the user names (a file, a folder, a glob) to the files to read. Coordinator only; cold path.
 * Folders are searched recursively; names that begin with `.` or `_` are left out there, as Flink does (they are
 * unfinished or hidden), unless the user names them.
 */
import { type Dirent, globSync, readdirSync, type Stats, statSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import { MillraceError } from '../../common/errors.ts'
import { localPath } from '../../common/local-path.ts'
import { sourceError } from './source-error.ts'

export interface FoundFile {
  readonly path: string
  readonly bytes: number
}

const globCharacters = /[*?[\]{}!]/

/** Sorted by path. MR_SOURCE_NOT_FOUND where nothing is there, MR_SOURCE_UNREADABLE where it cannot be looked at. */
export function findFiles(named: string | readonly string[]): FoundFile[] {
  const found = new Map<string, FoundFile>()
  for (const one of typeof named === 'string' ? [named] : named) {
    for (const file of findOne(one)) found.set(file.path, file)
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
}

function findOne(name: string): FoundFile[] {
  const named = localPath(name, 'the path of a file source')
  const path = resolve(named)
  const stats = statIfThere(path)
  if (stats !== undefined) return stats.isDirectory() ? folderFiles(path) : [{ path, bytes: stats.size }]
  if (!globCharacters.test(named)) {
    throw new MillraceError('MR_SOURCE_NOT_FOUND', `no file or folder at ${path}`, { context: { file: path } })
  }
  const files = globFiles(named)
  if (files.length === 0) {
    throw new MillraceError(
      'MR_SOURCE_NOT_FOUND',
      `pattern ${JSON.stringify(named)} matches no file below ${resolve('.')}`,
    )
  }
  return files
}

function globFiles(pattern: string): FoundFile[] {
  const files: FoundFile[] = []
  for (const match of globSync(pattern)) {
    const path = resolve(match)
    const stats = statIfThere(path)
    if (stats?.isFile()) files.push({ path, bytes: stats.size })
  }
  return files
}

function folderFiles(folder: string): FoundFile[] {
  const files: FoundFile[] = []
  const visit = (path: string): void => {
    for (const entry of entriesOf(path)) {
      if (entry.name.startsWith('.') || entry.name.startsWith('_')) continue
      const child = path + sep + entry.name
      if (entry.isDirectory()) visit(child)
      else if (entry.isFile() || entry.isSymbolicLink()) {
        const stats = statIfThere(child)
        if (stats?.isFile()) files.push({ path: child, bytes: stats.size })
      }
    }
  }
  visit(folder)
  return files
}

function entriesOf(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true })
  } catch (error) {
    throw sourceError(path, error)
  }
}

function statIfThere(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw sourceError(path, error)
  }
}
