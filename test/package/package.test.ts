/**
 * What a user gets: the packed tarball, installed into an empty project under the system's own Node and npm, runs a job
 * module by `npx millrace`; so does a checkout. Scripts of packages are not run, so that no compiler is needed.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { packageJson, root } from '../support/repository.ts'

const sandbox = mkdtempSync(join(tmpdir(), 'millrace-package-'))
const project = join(sandbox, 'project')
const tarballs = join(sandbox, 'tarballs')
afterAll(() => rmSync(sandbox, { recursive: true, force: true }))

const jobModule = `
import { fileLines, fileSink, job, run } from 'millrace'

export default job('lengths', (env) => {
  env
    .source(fileLines(env.parameters.required('input')))
    .map((line) => ({ word: line, length: line.length }))
    .keyBy('word')
    .sum('length')
    .map(({ word, length }) => \`\${word} \${length}\`)
    .sinkTo(fileSink(env.parameters.required('output')))
})
if (import.meta.main) await run(import.meta)
`

// sum is a running sum: the last result of each word holds all of its occurrences.
const results = ['one 3', 'one 6', 'three 5']

/** As a user's shell has it: without our node_modules/.bin, and without what npm set for the test run. */
function userEnvironment(): NodeJS.ProcessEnv {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((part) => !part.includes('node_modules'))
  const kept = Object.entries(process.env).filter(([key]) => !/^(npm_|NODE_|VITEST|INIT_CWD)/i.test(key))
  return { ...Object.fromEntries(kept), PATH: path.join(delimiter) }
}

function run(
  command: string,
  args: readonly string[],
  cwd: string,
): { status: number; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', env: userEnvironment() })
  return { status: status ?? -1, stdout, stderr }
}

function succeed(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = run(command, args, cwd)
  expect(status, `${command} ${args.join(' ')}\n${stdout}\n${stderr}`).toBe(0)
  return stdout
}

beforeAll(() => {
  mkdirSync(tarballs)
  mkdirSync(project)
  succeed(process.execPath, ['scripts/bootstrap.mjs'], root)
  succeed('npm', ['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', tarballs], root)
  writeFileSync(join(project, 'job.ts'), jobModule)
  writeFileSync(join(project, 'words.txt'), 'one\nthree\none\n')
  writeFileSync(join(project, 'package.json'), '{ "name": "user", "private": true, "type": "module" }\n')
  const tarball = join(tarballs, readdirSync(tarballs)[0]!)
  const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
  succeed('npm', ['install', ...flags, tarball], project)
}, 180_000)

test('the tarball holds what runs and nothing else', () => {
  const installed = join(project, 'node_modules', 'millrace')
  expect(readdirSync(installed).toSorted()).toEqual(
    ['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'native-bindings', 'package.json', 'scripts'].toSorted(),
  )
  expect(existsSync(join(installed, 'native-bindings', 'build'))).toBe(false)
  for (const path of [...packageJson.files, ...Object.values(packageJson.bin)]) {
    expect(existsSync(join(installed, path)), path).toBe(true)
  }
})

test('npx millrace runs a job module of a project that installed the tarball', { timeout: 60_000 }, () => {
  const args = ['run', 'job.ts', '--parallelism', '2', '--json', '--', '--input', 'words.txt', '--output', 'out']
  expect(JSON.parse(succeed('npx', ['millrace', ...args], project))).toMatchObject({ status: 'FINISHED' })
  expect(linesOf('out')).toEqual(results)
})

test('the command runs under an older Node of the system, too', { timeout: 60_000 }, () => {
  const command = join(project, 'node_modules', '.bin', 'millrace')
  succeed(command, ['run', 'job.ts', '--', '--input', 'words.txt', '--output', 'direct'], project)
  expect(linesOf('direct')).toEqual(results)
})

test('a job module runs by itself, and type-checks against what was installed', { timeout: 60_000 }, () => {
  const node = join(project, 'node_modules', '.bin', 'node')
  succeed(node, ['job.ts', '--parallelism', '2', '--input', 'words.txt', '--output', 'own'], project)
  expect(linesOf('own')).toEqual(results)
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules', '@types')]
  succeed(process.execPath, [tsc, '--noEmit', '--strict', '--module', 'nodenext', ...types, 'job.ts'], project)
})

test('a coded error of the installed package says what to do and sets the exit code', { timeout: 60_000 }, () => {
  const { status, stderr } = run('npx', ['millrace', 'run', 'job.ts'], project)
  expect(status).toBe(2)
  expect(stderr).toContain('MR_PARAMETER_MISSING')
})

test('npx millrace works in a checkout', { timeout: 60_000 }, () => {
  expect(succeed('npx', ['millrace', '--version'], root).trim()).toMatch(/^\d+\.\d+\.\d+$/)
})

test('the package is in order for publishing', { timeout: 60_000 }, () => {
  const publint = join(root, 'node_modules', 'publint', 'src', 'cli.js')
  const { status, stdout, stderr } = run(process.execPath, [publint, '--strict'], root)
  expect(status, stdout + stderr).toBe(0)
})

function linesOf(directory: string): string[] {
  return readdirSync(join(project, directory))
    .flatMap((name) => readFileSync(join(project, directory, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .toSorted()
}
