/** The lint rules themselves: up to date, in step with the folders that exist, and able to catch what they forbid. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
// @ts-expect-error a plain script without declarations
import { folders, lintConfig } from '../../scripts/lint-config.mjs'
import { read, root, trackedFiles } from '../support/repository.ts'

const sandbox = mkdtempSync(join(tmpdir(), 'millrace-lint-'))
afterAll(() => rmSync(sandbox, { recursive: true, force: true }))

/** Messages of oxlint over files planted in an empty project with our configuration. */
function lint(files: Record<string, string>): string[] {
  const directory = mkdtempSync(join(sandbox, 'case-'))
  writeFileSync(join(directory, '.oxlintrc.json'), JSON.stringify(lintConfig()))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
  const oxlint = join(root, 'node_modules', 'oxlint', 'bin', 'oxlint')
  const { stdout } = spawnSync(process.execPath, [oxlint, '--format=json'], { cwd: directory, encoding: 'utf8' })
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; filename: string; help?: string }[] }
  return diagnostics.map((found) => `${found.filename}: ${found.code}`)
}

const restricted = 'eslint(no-restricted-imports)'

test('.oxlintrc.json is what scripts/lint-config.mjs writes', () => {
  expect(JSON.parse(read('.oxlintrc.json'))).toEqual(lintConfig())
})

test('every folder of src has its place in the order', () => {
  const present = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  expect(folders).toEqual(expect.arrayContaining(present.map((entry) => entry.name)))
})

test('an import of a value from a later folder is caught, from an earlier one not', () => {
  const exported = 'export const x: number = 1\n'
  const found = lint({
    'src/data/planted.ts': "import { x } from '../runtime/x.ts'\nexport const y: number = x\n",
    'src/api/allowed.ts': "import { x } from '../runtime/x.ts'\nexport const y: number = x\n",
    'src/runtime/x.ts': exported,
  })
  expect(found).toEqual([`src/data/planted.ts: ${restricted}`])
})

test('a folder within a folder keeps to the same order, and may import from the one around it', () => {
  const exported = 'export const x: number = 1\n'
  const found = lint({
    'src/data/deep/planted.ts': "import { x } from '../../runtime/x.ts'\nexport const y: number = x\n",
    'src/data/deep/entry.ts': "import { x } from '../../index.ts'\nexport const y: number = x\n",
    'src/data/deep/allowed.ts': "import { x } from '../x.ts'\nexport const y: number = x\n",
    'src/data/x.ts': exported,
    'src/runtime/x.ts': exported,
    'src/index.ts': exported,
  })
  expect(found.toSorted()).toEqual([`src/data/deep/entry.ts: ${restricted}`, `src/data/deep/planted.ts: ${restricted}`])
})

test('a type from a later folder passes only where the folder holds contracts', () => {
  const found = lint({
    'src/data/contract-type.ts': "import type { X } from '../operators/x.ts'\nexport type Y = X\n",
    'src/data/contract-value.ts': "import { x } from '../operators/x.ts'\nexport const y: number = x\n",
    'src/data/other-type.ts': "import type { X } from '../plan/x.ts'\nexport type Y = X\n",
    'src/operators/x.ts': 'export type X = 1\nexport const x: number = 1\n',
    'src/plan/x.ts': 'export type X = 1\n',
  })
  expect(found.toSorted()).toEqual([
    `src/data/contract-value.ts: ${restricted}`,
    `src/data/other-type.ts: ${restricted}`,
  ])
})

test('a cycle between two files is caught', () => {
  const found = lint({
    'src/data/a.ts': "import { b } from './b.ts'\nexport const a: () => unknown = () => b\n",
    'src/data/b.ts': "import { a } from './a.ts'\nexport const b: () => unknown = () => a\n",
  })
  expect(found).toContain('src/data/a.ts: import(no-cycle)')
})

test('piscina, threads and databases are imported only where they belong', () => {
  const found = lint({
    'src/runtime/pool.ts': "import { Piscina } from 'piscina'\nexport const p: unknown = Piscina\n",
    'src/coordinator/pool.ts': "import { Piscina } from 'piscina'\nexport const p: unknown = Piscina\n",
    'src/data/thread.ts': "import { Worker } from 'node:worker_threads'\nexport const w: unknown = Worker\n",
    'src/api/level.ts': "import { ClassicLevel } from 'classic-level'\nexport const l: unknown = ClassicLevel\n",
  })
  expect(found.toSorted()).toEqual(
    ['src/api/level.ts', 'src/data/thread.ts', 'src/runtime/pool.ts'].map((path) => `${path}: ${restricted}`),
  )
})

test('only one file blocks a thread, and only one loads the native binding', () => {
  const sources = trackedFiles('src').map((path) => ({ path, text: read(path) }))
  const having = (pattern: RegExp) => sources.filter(({ text }) => pattern.test(text)).map(({ path }) => path)
  expect(having(/\bAtomics\.wait\(/).length).toBeLessThanOrEqual(1)
  expect(having(/\.node['"`]/).length).toBeLessThanOrEqual(1)
})
