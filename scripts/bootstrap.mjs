/**
 * All set-up of a checkout, so that `npm start` and `npm test` need nothing before them. Runs on Node 20, with no
 * dependency. Each step is skipped where its inputs have not changed, and then costs a few milliseconds:
 *
 * 1. node_modules: `npm ci` where it is missing or holds other packages than package-lock.json says.
 * 2. native binding: scripts/build-native.mjs, which passes with a notice where librocksdb is missing.
 * 3. dist: scripts/build-dist.mjs, where a file of src/ or a tsconfig has changed. The old one stays where it fails.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { environmentFor, findNode, nodeMajorMin } from './node-version.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const stamps = join(root, 'node_modules', '.millrace')
const lockPollMs = 50
/** Standard output belongs to the command that follows: what tools print goes to standard error. */
const quietOutput = ['ignore', 2, 2]

installPackages()
const node = findNode()
if (node === undefined) {
  fail(
    `Millrace needs Node ${nodeMajorMin} or newer; this platform's packages bring none, and this is ${process.version}.`,
  )
}
buildNative()
buildDist()

function installPackages() {
  const lock = hashOf([readFileSync(join(root, 'package-lock.json'))])
  if (readStamp('lock') === lock) return
  if (isInstalled()) return writeStamp('lock', lock)
  console.error('millrace: installing packages …')
  const npm = process.env.npm_execpath
  const [command, first] = npm === undefined ? ['npm', []] : [process.execPath, [npm]]
  const args = [...first, 'ci', '--loglevel=error', '--no-progress']
  // An npm that runs us has exported its own settings; the inner one reads them from the files again.
  const inherited = Object.entries(process.env).filter(([key]) => !/^npm_(config_|package_|lifecycle_)/i.test(key))
  const env = Object.fromEntries(inherited)
  const { status } = spawnSync(command, args, { cwd: root, stdio: quietOutput, env })
  if (status !== 0) fail('npm ci failed; see its message above.')
  writeStamp('lock', lock)
}

/** Whether node_modules holds what the lockfile says, by npm's own record of what it installed. */
function isInstalled() {
  const record = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(record)) return false
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const found = JSON.parse(readFileSync(record, 'utf8')).packages
  // Optional packages are those of other platforms, where they are missing.
  return (
    Object.keys(found).every((path) => path in wanted) &&
    Object.entries(wanted).every(([path, { integrity, optional }]) =>
      path in found ? found[path].integrity === integrity : path === '' || optional === true,
    )
  )
}

function buildNative() {
  const script = join(root, 'scripts', 'build-native.mjs')
  const sources = join(root, 'native-bindings')
  if (!existsSync(script) || !existsSync(sources)) return
  const hash = hashOf([readFileSync(script), describeTree(sources, ['build']), String(hasRocksDb())])
  if (readStamp('native') === hash) return
  run([script])
  writeStamp('native', hash)
}

/** Whether the library is there is part of the stamp: installing it later makes the next run build the binding. */
function hasRocksDb() {
  return ['/usr/include/rocksdb/c.h', '/usr/local/include/rocksdb/c.h'].some((path) => existsSync(path))
}

function buildDist() {
  const script = join(root, 'scripts', 'build-dist.mjs')
  const hash = hashOf([
    readFileSync(script),
    readFileSync(join(root, 'tsconfig.build.json')),
    readFileSync(join(root, 'tsconfig.json')),
    describeTree(join(root, 'src'), []),
    readStamp('lock') ?? '',
  ])
  const dist = join(root, 'dist')
  const isFresh = () => readStamp('dist') === hash && existsSync(dist)
  if (isFresh()) return
  alone('dist', () => {
    if (isFresh()) return
    const built = join(stamps, `dist-${process.pid}`)
    run([script, built])
    rmSync(dist, { recursive: true, force: true })
    renameSync(built, dist)
    writeStamp('dist', hash)
  })
}

/** Does the work while no other process does it; the lock of a process that is gone is taken over. */
function alone(name, work) {
  const lock = join(stamps, `${name}.lock`)
  mkdirSync(stamps, { recursive: true })
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      break
    } catch {
      if (!isRunning(lock)) rmSync(lock, { force: true })
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lockPollMs)
    }
  }
  const release = () => {
    if (existsSync(lock) && readFileSync(lock, 'utf8') === String(process.pid)) rmSync(lock)
  }
  process.on('exit', release)
  work()
  release()
}

function isRunning(lock) {
  try {
    process.kill(Number(readFileSync(lock, 'utf8')), 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function run(args) {
  const { status } = spawnSync(node, args, { cwd: root, stdio: quietOutput, env: environmentFor(node) })
  if (status !== 0) fail(`${args.join(' ')} failed.`)
}

/** One line a file: path, size and time of change. */
function describeTree(directory, excluded) {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((path) => !excluded.some((name) => path.startsWith(join(directory, name))))
    .sort()
    .map((path) => `${path} ${statSync(path).size} ${statSync(path).mtimeMs}\n`)
    .join('')
}

function hashOf(parts) {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

function readStamp(name) {
  try {
    return readFileSync(join(stamps, name), 'utf8')
  } catch {
    return undefined
  }
}

function writeStamp(name, value) {
  mkdirSync(stamps, { recursive: true })
  writeFileSync(join(stamps, name), value)
}

function fail(message) {
  console.error(`millrace: ${message}`)
  process.exit(1)
}
