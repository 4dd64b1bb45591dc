/** The repository as the tidy tests see it: its root, its tracked files and their text. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root: string = fileURLToPath(new URL('../..', import.meta.url))

/** Tracked files, and new ones that are not ignored: paths relative to the root. */
export function trackedFiles(under = '.'): string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', under]
  const list = execFileSync('git', args, { cwd: root, encoding: 'utf8' })
  return list.split('\n').filter((path) => path !== '' && existsSync(join(root, path)))
}

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

interface PackageJson {
  readonly scripts: Readonly<Record<string, string>>
  readonly bin: Readonly<Record<string, string>>
  readonly files: readonly string[]
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
}

export const packageJson = JSON.parse(read('package.json')) as PackageJson
