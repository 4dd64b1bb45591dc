/** What documents say is there, and nothing of the machine that a file was written on is left in it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { reference } from '../../scripts/write-reference.ts'
import { packageJson, read, root, trackedFiles } from '../support/repository.ts'

const texts = trackedFiles().filter((path) => !/\.(png|gz|zst|parquet|avro|bin|sst)$/.test(path))
const documents = texts.filter((path) => path.endsWith('.md'))

test('npm commands in documents and comments exist', () => {
  const missing: string[] = []
  for (const path of [...documents, ...texts.filter((one) => /^(bench|examples|scripts|\.ci)\b/.test(one))]) {
    const text = read(path)
    for (const [, command] of text.matchAll(/\bnpm run (?:--?[\w-]+ )*([a-z][\w:-]*)/g)) {
      if (!(command! in packageJson.scripts)) missing.push(`${path}: npm run ${command}`)
    }
    for (const [, command] of text.matchAll(/\bnpm (start|test)\b/g)) {
      if (!(command! in packageJson.scripts)) missing.push(`${path}: npm ${command}`)
    }
  }
  expect(missing).toEqual([])
})

test('files that npm scripts run exist', () => {
  for (const [name, script] of Object.entries(packageJson.scripts)) {
    for (const [path] of script.matchAll(/\b[\w./-]+\.(ts|mjs)\b/g)) {
      expect(existsSync(join(root, path)), `${name}: ${path}`).toBe(true)
    }
  }
})

test('files of the repository that documents name exist', () => {
  const missing: string[] = []
  for (const path of documents) {
    for (const [, named] of read(path).matchAll(
      /`((?:src|test|bench|examples|scripts|native-bindings|docs)\/[\w./-]*\w)`/g,
    )) {
      // The feature table names tests below test/.
      if (!existsSync(join(root, named!)) && !existsSync(join(root, 'test', named!))) missing.push(`${path}: ${named}`)
    }
  }
  expect(missing).toEqual([])
})

test('the feature table names tests that exist', () => {
  const table = read('src/README.md').split('## Features')[1]!
  const rows = table.split('\n').filter((line) => line.startsWith('|') && !/^\|\s*(-|Feature)/.test(line))
  expect(rows.length).toBeGreaterThan(0)
  for (const row of rows) {
    const cells = row.split('|').map((cell) => cell.trim())
    const named = [...cells.at(-2)!.matchAll(/`([^`]+)`/g)].map(([, path]) => path!)
    expect(named.length, `no test is named: ${row}`).toBeGreaterThan(0)
    for (const path of named) expect(existsSync(join(root, 'test', path)), `test/${path}: ${row}`).toBe(true)
  }
})

test('no tracked file holds a path of this machine or a host of a registry', () => {
  // Put together here, so that this file does not hold them itself.
  const forbidden = new RegExp(
    [
      ['/wo', 'rk/'],
      ['/ro', 'ot/'],
      ['/ho', 'me/'],
      ['registry.', 'npm'],
      ['npmjs', '.org'],
      ['deb.', 'debian'],
    ]
      .map((parts) => parts.join('').replaceAll('.', '\\.'))
      .join('|'),
  )
  const found = texts.filter((path) => path !== 'LICENSE' && forbidden.test(read(path)))
  expect(found).toEqual([])
})

test('the lockfile pins packages by integrity and names no host', () => {
  const lock = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { resolved?: string; integrity?: string; link?: boolean }>
  }
  for (const [path, entry] of Object.entries(lock.packages)) {
    expect(entry.resolved, path).toBeUndefined()
    if (path !== '' && entry.link !== true) expect(entry.integrity, path).toMatch(/^sha512-/)
  }
})

test('versions of dependencies are exact', () => {
  const { dependencies, devDependencies, optionalDependencies } = packageJson
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
    expect(version, name).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/)
  }
})

test('every dependency has its reason in the code map', () => {
  const map = read('src/README.md')
  const all = { ...packageJson.dependencies, ...packageJson.devDependencies, ...packageJson.optionalDependencies }
  for (const name of Object.keys(all)) {
    expect(map, `${name} is not explained in src/README.md`).toContain(`\`${name}\``)
  }
})

test('the reference of options and error codes is up to date (npm run reference)', () => {
  for (const [path, text] of Object.entries(reference())) expect(read(path), path).toBe(text)
})
