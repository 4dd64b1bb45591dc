/**
 * `npm start`: the word count of examples/word-count.ts over all Markdown and text files that the installation brought
 * under node_modules, at full parallelism; then the most frequent words and the rate.
 */
import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { reexecOnNewNode } from './node-version.mjs'

await reexecOnNewNode()

const topWords = 10
const root = fileURLToPath(new URL('..', import.meta.url))
const pattern = 'node_modules/**/*.{md,markdown,txt}'
const files = globSync(pattern, { cwd: root })
const bytes = files.reduce((sum, path) => sum + statSync(join(root, path)).size, 0)
console.log(`Counting the words of ${files.length} Markdown and text files (${megabytes(bytes)}) under node_modules`)

const output = mkdtempSync(join(tmpdir(), 'millrace-words-'))
try {
  const millrace = join(root, 'scripts', 'millrace.mjs')
  const counts = join(output, 'counts')
  const args = [millrace, 'run', 'examples/word-count.ts', '--', '--input', pattern, '--output', counts]
  const start = performance.now()
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  const seconds = (performance.now() - start) / 1000
  if (status !== 0) process.exitCode = status ?? 1
  else report(readCounts(counts), seconds)
} finally {
  rmSync(output, { recursive: true, force: true })
}

/** Lines `word<TAB>count` of all part files. */
function readCounts(directory) {
  return readdirSync(directory)
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => line.split('\t'))
    .map(([word, count]) => ({ word, count: Number(count) }))
}

function report(counts, seconds) {
  const total = counts.reduce((sum, one) => sum + one.count, 0)
  const top = counts.toSorted((a, b) => b.count - a.count || (a.word < b.word ? -1 : 1)).slice(0, topWords)
  for (const { word, count } of top) console.log(`${count.toLocaleString('en').padStart(9)}  ${word}`)
  console.log(
    `${total.toLocaleString('en')} words, ${counts.length.toLocaleString('en')} different, in ${seconds.toFixed(2)} s` +
      ` (${megabytes(bytes / seconds)}/s, start-up included)`,
  )
}

function megabytes(count) {
  return `${(count / 1e6).toFixed(1)} MB`
}
