/**
 * A quick look, by times of change alone, at whether a checkout is as it was when scripts/bootstrap.mjs last found it in
 * order: a few milliseconds at the start of every command. Where it says no, bootstrap decides by content.
 */
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const stamp = join(root, 'node_modules', '.millrace', 'checked')
const files = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json']
const trees = ['src', 'scripts', 'native-bindings/src']

export function isUnchanged() {
  try {
    const checkedMs = statSync(stamp).mtimeMs
    const isOlder = (path) => statSync(path).mtimeMs <= checkedMs
    return (
      existsSync(join(root, 'dist')) && files.every((name) => isOlder(join(root, name))) && trees.every(isTreeOlder)
    )

    // A directory changes where a name comes or goes.
    function isTreeOlder(name) {
      const tree = join(root, name)
      if (!existsSync(tree)) return true
      return isOlder(tree) && readdirSync(tree, { recursive: true }).every((path) => isOlder(join(tree, path)))
    }
  } catch {
    return false
  }
}

/** Everything was in order at `timeMs`, which is before the check: what has changed since is looked at next time. */
export function markChecked(timeMs) {
  mkdirSync(join(stamp, '..'), { recursive: true })
  writeFileSync(stamp, '')
  utimesSync(stamp, timeMs / 1000, timeMs / 1000)
}
