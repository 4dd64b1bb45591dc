/**
 * Scripts run on the Node that the lockfile brings (24), whatever the system has. npm puts node_modules/.bin first on
 * PATH, so this matters only where a script is started by hand on an older Node. Must itself run on Node 20.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const nodeMajorMin = 24

/** Where the package node-linux-* puts its binary: of a checkout, and beside an installed package. */
const binDirectories = ['../node_modules/.bin', '../../.bin'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
)

/** Node 24 or newer: this process's own, else the one that came with the packages. Undefined where there is none. */
export function findNode() {
  if (Number(process.versions.node.split('.')[0]) >= nodeMajorMin) return process.execPath
  return binDirectories.map((directory) => join(directory, 'node')).find((path) => existsSync(path))
}

/** Environment in which `node` and the tools of node_modules/.bin are found first. */
export function environmentFor(node) {
  return { ...process.env, PATH: [dirname(node), ...binDirectories, process.env.PATH ?? ''].join(delimiter) }
}

/** Runs the current script again on a new enough Node where this one is too old; does not return in that case. */
export function reexecOnNewNode() {
  const node = findNode()
  if (node === process.execPath) return
  if (node === undefined) {
    console.error(
      `Millrace needs Node ${nodeMajorMin} or newer, found ${process.version}. Run \`npm install\`, which brings it on Linux.`,
    )
    process.exit(1)
  }
  const { status } = spawnSync(node, process.argv.slice(1), { stdio: 'inherit', env: environmentFor(node) })
  process.exit(status ?? 1)
}
