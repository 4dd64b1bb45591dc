/**
 * Scripts run on the Node that the lockfile brings (24), whatever the system has. npm puts node_modules/.bin first on
 * PATH, so this matters only where a script is started by hand on an older Node. Must itself run on Node 20.
 */
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const nodeMajorMin = 24

/** Set for a process that was started by another one of the same script on an older Node. */
const innerMark = 'MILLRACE_INNER'

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

/**
 * Runs the current script again on a new enough Node where this one is too old; does not resolve in that case. The two
 * processes act as one: signals are handed on, and the inner one ends with the outer one, even if that is killed.
 */
export async function reexecOnNewNode() {
  const node = findNode()
  if (node === process.execPath) return endWithOuterProcess()
  if (node === undefined) {
    console.error(
      `Millrace needs Node ${nodeMajorMin} or newer, found ${process.version}. Run \`npm install\`, which brings it on Linux.`,
    )
    process.exit(1)
  }
  const env = { ...environmentFor(node), [innerMark]: '1' }
  // Only here: a start on the right Node does without the module.
  const { spawn } = await import('node:child_process')
  const inner = spawn(node, process.argv.slice(1), { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // A terminal has sent SIGINT to both already.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) inner.kill(signal)
    })
  }
  inner.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
  await new Promise(() => {})
}

function endWithOuterProcess() {
  if (process.env[innerMark] === undefined) return
  delete process.env[innerMark]
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
  process.channel?.unref()
}
