/** Rules of the house that lint does not know. */
import { expect, test } from 'vitest'
import { read, trackedFiles } from '../support/repository.ts'

const linesMax = 500
const sources = trackedFiles('src').filter((path) => path.endsWith('.ts'))
const having = (pattern: RegExp) => sources.filter((path) => pattern.test(withoutComments(read(path))))

test('time and randomness come in through one door each', () => {
  expect(having(/\bDate\.now\(|\bnew Date\(\)/)).toEqual(['src/common/clock.ts'])
  expect(having(/\bMath\.random\(/)).toEqual([])
})

test('files are named as their concept, in kebab case', () => {
  const named = /^([a-z0-9]+(-[a-z0-9]+)*)(\.(test|slt))?\.(ts|mjs)$/
  for (const path of trackedFiles().filter((one) => /^(src|test|bench|examples|scripts)\/.*\.(ts|mjs)$/.test(one))) {
    const name = path.split('/').at(-1)!
    expect(name, path).toMatch(named)
    expect(name, path).not.toMatch(/^(utils?|helpers?|common|misc)\.ts$/)
  }
})

test(`no file is longer than ${linesMax} lines`, () => {
  const long = trackedFiles()
    .filter((path) => /^(src|bench|scripts)\/.*\.(ts|mjs)$/.test(path))
    .filter((path) => read(path).split('\n').length > linesMax)
  expect(long).toEqual([])
})

test('every file of src says in its first lines what it is', () => {
  const silent = sources.filter((path) => !/^(#!.*\n)?(\/\*\*|\/\/)/.test(read(path)))
  expect(silent).toEqual([])
})

test('nothing unfinished is left behind', () => {
  expect(having(/\b(debugger|console\.log\()/)).toEqual([])
  const marked = trackedFiles()
    .filter((path) => /^(src|bench|examples|scripts|native-bindings)\//.test(path))
    .filter((path) => /\b(TODO|FIXME|XXX)\b/.test(read(path)))
  expect(marked).toEqual([])
})

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[^]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '')
}
