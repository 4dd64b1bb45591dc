// Builds native-bindings/build/millrace_rocksdb.node, the binding of the `rocksdb` state backend, where a C++ compiler
// and librocksdb are present. Where they are not it prints what to install and ends with 0: everything but that backend
// works without it. Runs as postinstall, so it must get by without node_modules, under Node 20 and later.
// `--required` makes a failed build an error; `--force` builds even where the result is newer than the sources.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const sourceDirectory = join(root, 'native-bindings', 'src')
const outputDirectory = join(root, 'native-bindings', 'build')
const output = join(outputDirectory, 'millrace_rocksdb.node')
const required = process.argv.includes('--required')

function giveUp(reason) {
  console.error(
    `millrace: the RocksDB binding was not built: ${reason}.\n` +
      '  Without it the state backend `rocksdb` is unavailable; heap, managed and leveldb work.\n' +
      '  To build it, install a C++ compiler and RocksDB (Debian: apt-get install g++ pkg-config librocksdb-dev)\n' +
      '  and run: npm rebuild millrace (in a checkout: node scripts/build-native.mjs)',
  )
  process.exit(required ? 1 : 0)
}

const run = (command, args) => spawnSync(command, args, { encoding: 'utf8' })

/** Directory of node_api.h: of the package node-api-headers, else beside the running node. */
function nodeHeaders() {
  try {
    return createRequire(import.meta.url)('node-api-headers').include_dir
  } catch {
    const beside = join(dirname(dirname(process.execPath)), 'include', 'node')
    return existsSync(join(beside, 'node_api.h')) ? beside : undefined
  }
}

/** Compiler and linker flags of librocksdb. */
function rocksdbFlags() {
  const asked = run('pkg-config', ['--cflags', '--libs', 'rocksdb'])
  return asked.status === 0 ? asked.stdout.trim().split(/\s+/).filter(Boolean) : ['-lrocksdb']
}

function isUpToDate(sources) {
  if (!existsSync(output) || process.argv.includes('--force')) return false
  const built = statSync(output).mtimeMs
  return sources.every((path) => statSync(path).mtimeMs <= built)
}

if (!existsSync(sourceDirectory)) giveUp('its sources are not in this installation')
const files = readdirSync(sourceDirectory).map((name) => join(sourceDirectory, name))
if (isUpToDate(files)) process.exit(0)
const compiler = process.env.CXX ?? 'g++'
if (run(compiler, ['--version']).status !== 0) giveUp(`no C++ compiler (${compiler}) was found`)
const headers = nodeHeaders()
if (headers === undefined) giveUp('node_api.h was found neither in node_modules/node-api-headers nor beside node')
const flags = rocksdbFlags()
const probe = spawnSync(
  compiler,
  ['-x', 'c++', '-std=c++17', '-fsyntax-only', '-', ...flags.filter((f) => !f.startsWith('-l'))],
  {
    input: '#include <rocksdb/db.h>\n',
    encoding: 'utf8',
  },
)
if (probe.status !== 0) giveUp('the headers of librocksdb were not found')

mkdirSync(outputDirectory, { recursive: true })
const partial = `${output}.${process.pid}`
const built = run(compiler, [
  '-shared',
  '-fPIC',
  '-O2',
  '-std=c++17',
  '-fno-exceptions',
  '-fvisibility=hidden',
  '-Wall',
  '-Wextra',
  '-Wl,-z,nodelete', // RocksDB's threads outlive the worker that loaded the addon
  `-I${headers}`,
  ...files.filter((path) => path.endsWith('.cc')),
  '-o',
  partial,
  ...flags,
])
if (built.status !== 0) giveUp(`the compiler failed\n${(built.stderr || String(built.error)).slice(0, 4000)}\n`)
if (built.stderr) console.error(built.stderr)
renameSync(partial, output)
console.error('millrace: built the RocksDB binding')
