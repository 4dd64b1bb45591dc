/**
 * Builds dist into the directory given: declarations by tsc (which checks types), JavaScript by rolldown, a few files in
 * place of some three hundred, since every slot loads the engine anew and finding a module costs more than compiling it.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, posix, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = fileURLToPath(new URL('..', import.meta.url))
const output = process.argv[2]
/** What is loaded by its path: the package's exports, the command, the worker. */
const entries = ['index', 'cli/main', 'testing/index', 'runtime/slot-worker'].filter((name) =>
  existsSync(`${root}src/${name}.ts`),
)

const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
const declarations = ['-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--outDir', output]
const { status } = spawnSync(process.execPath, [tsc, ...declarations], { cwd: root, stdio: 'inherit' })
if (status !== 0) process.exit(1)

const bundle = await rolldown({
  cwd: root,
  input: Object.fromEntries(entries.map((name) => [name, `src/${name}.ts`])),
  platform: 'node',
  external: /^(node:|[^./])/,
  plugins: [keepPlace()],
})
await bundle.write({
  dir: output,
  format: 'es',
  entryFileNames: '[name].js',
  chunkFileNames: 'chunks/[name]-[hash].js',
})

/** `import.meta.url` goes on meaning the place that the module had before it was bundled. */
function keepPlace() {
  const mark = /__placeOf\("([^"]+)"\)/g
  return {
    name: 'keep-place',
    transform(code, id) {
      if (!code.includes('import.meta.url')) return null
      const place = relative(`${root}src`, id).replace(/\.ts$/, '.js')
      return code.replaceAll('import.meta.url', `__placeOf("${place}")`)
    },
    renderChunk(code, chunk) {
      if (!code.includes('__placeOf(')) return null
      return code.replaceAll(mark, (_, place) => {
        const from = posix.relative(dirname(chunk.fileName), place)
        return `new URL("${from.startsWith('.') ? from : `./${from}`}", import.meta.url).href`
      })
    },
  }
}
