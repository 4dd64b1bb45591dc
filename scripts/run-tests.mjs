/**
 * Runs vitest and ends with exactly one plain line `N passed, N failed, N skipped`. Arguments are vitest's: files,
 * `-t NAME`; and `--full`: the large size of tests that have one, without time-outs. A file that cannot be loaded and an error outside every test count as a failure each; a run in which no
 * test was executed fails.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { reexecOnNewNode } from './node-version.mjs'

await reexecOnNewNode()

const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'millrace-tests-'))
const report = join(directory, 'report.json')
const reporters = ['--reporter=dot', '--reporter=json', `--outputFile.json=${report}`]
const isFull = process.argv.includes('--full')
const filters = process.argv.slice(2).filter((argument) => argument !== '--full')
const { status } = spawnSync(
  process.execPath,
  [vitest, 'run', ...reporters, ...(isFull ? ['--testTimeout=0'] : []), ...filters],
  { stdio: 'inherit', env: { ...process.env, ...(isFull ? { MILLRACE_FULL: '1' } : {}) } },
)
const { passed, failed, skipped } = count(report)
rmSync(directory, { recursive: true, force: true })
if (passed + failed === 0) console.log('No test was executed.')
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exit(failed === 0 && passed > 0 && status === 0 ? 0 : 1)

function count(path) {
  let json
  try {
    json = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return { passed: 0, failed: status === 0 ? 0 : 1, skipped: 0 }
  }
  const unloadable = json.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length
  const failed = json.numFailedTests + unloadable
  const skipped = json.numPendingTests + json.numTodoTests
  const isErrorOutsideTests = failed === 0 && status !== 0 && json.numTotalTests > 0
  return { passed: json.numPassedTests, failed: isErrorOutsideTests ? 1 : failed, skipped }
}
