/** The package as users get it: packed, installed into a project of its own, and run there by `npx millrace`. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from '../support/repository.ts'
import { millrace } from '../support/millrace-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const jobSource = `
import { fileLines, fileSink, job, run } from 'millrace'

export default job('lengths', (env) => {
  env
    .source(fileLines(env.parameters.required('input')))
    .map((line) => ({ line, length: line.length }))
    .sinkTo(fileSink(env.parameters.required('output'), { format: 'ndjson' }))
})
if (import.meta.main) await run(import.meta)
`

/** npm as a user calls it: nothing of the npm that may have started the tests. */
function npm(directory: string, ...args: readonly string[]): string {
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^npm_/i.test(key)))
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: directory, encoding: 'utf8', env })
  expect(`${status} ${status === 0 ? '' : stderr}`).toBe('0 ')
  return stdout
}

it('runs a job by npx millrace, by node, and type-checks', { timeout: 180_000 }, async () => {
  expect((await millrace('--version')).exitCode, 'dist is up to date').toBe(0)
  const directory = temporaryDirectory()
  const [packed] = JSON.parse(npm(root, 'pack', '--json', '--pack-destination', directory)) as [
    { filename: string; files: { path: string }[] },
  ]
  const paths = packed.files.map((file) => file.path)
  expect(paths).toContain('dist/index.js')
  expect(paths).toContain('dist/index.d.ts')
  expect(paths.filter((path) => /^(src|test|bench|node_modules)\//.test(path))).toEqual([])

  const project = join(directory, 'project')
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'project', private: true, type: 'module' }))
  // The scripts build the RocksDB binding, which takes long and is not what is tested here.
  const scripts = process.env.MILLRACE_FULL === '1' ? [] : ['--ignore-scripts']
  const flagsOfInstall = ['--prefer-offline', '--no-audit', '--no-fund', ...scripts]
  npm(project, 'install', ...flagsOfInstall, join(directory, packed.filename))
  writeFileSync(join(project, 'job.ts'), jobSource)
  writeFileSync(join(project, 'input.txt'), 'one\nthree\n')

  npm(project, 'exec', '--', 'millrace', 'run', 'job.ts', '-p', '1', '--', '--input', 'input.txt', '--output', 'out')
  expect(linesOf(join(project, 'out'))).toEqual(['{"line":"one","length":3}', '{"line":"three","length":5}'])

  const node = join(project, 'node_modules', '.bin', 'node')
  const own = spawnSync(node, ['job.ts', '-p', '1', '--input', 'input.txt', '--output', 'own'], { cwd: project })
  expect(own.status).toBe(0)
  expect(linesOf(join(project, 'own'))).toHaveLength(2)

  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', '']
  const { stdout } = spawnSync(process.execPath, [tsc, ...flags, '--skipLibCheck', 'job.ts'], {
    cwd: project,
    encoding: 'utf8',
  })
  expect(stdout.replaceAll(/^job\.ts.*'main' does not exist on type 'ImportMeta'.*\n?/gm, '')).toBe('')
})

function linesOf(directory: string): string[] {
  return readdirSync(directory)
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .toSorted()
}
