/**
 * `npm run bench [-- NAME …] [--size small]`: every bench of bench/ (or those whose path holds NAME), one process each,
 * one after another; reports of full size go to bench/results/. Exit code 1 where one fails or misses a bar.
 */
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { reexecOnNewNode } from './node-version.mjs'
import './bootstrap.mjs'

await reexecOnNewNode()

const root = fileURLToPath(new URL('..', import.meta.url))
const sizeAt = process.argv.indexOf('--size')
const size = sizeAt < 0 ? 'full' : process.argv[sizeAt + 1]
const names = process.argv.slice(2).filter((_, index) => sizeAt < 0 || (index !== sizeAt - 2 && index !== sizeAt - 1))
const files = globSync('bench/**/*.ts', { cwd: root })
  .filter((path) => /^export const bench: Bench\b/m.test(readFileSync(`${root}/${path}`, 'utf8')))
  .filter((path) => names.length === 0 || names.some((name) => path.includes(name)))
  .toSorted()
if (files.length === 0) {
  console.error(`no bench is named ${names.join(', ')}`)
  process.exit(1)
}
let failures = 0
for (const path of files) {
  const { status } = spawnSync(process.execPath, [path, '--size', size, ...(size === 'full' ? ['--save'] : [])], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) failures++
  console.log('')
}
console.log(`${files.length - failures} of ${files.length} benches met their bars`)
process.exit(failures === 0 ? 0 : 1)
