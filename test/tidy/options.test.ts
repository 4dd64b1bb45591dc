/** Every configuration option does something: it is read somewhere. Every fail point is somewhere, and documented. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { configOptions } from '../../src/common/config-options.ts'
import { failPoints } from '../../src/common/fail-points.ts'
import { root } from '../support/repository.ts'

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('config-options.ts'))
  .map((path) => readFileSync(join(root, 'src', path), 'utf8'))
  .join('\n')

test('every fail point can be passed, and docs/testing.md says where it lies', () => {
  const page = readFileSync(join(root, 'docs/testing.md'), 'utf8')
  const wrong = Object.entries(failPoints).filter(
    ([name, where]) => !sources.includes(`failPoint('${name}')`) || !page.includes(`| \`${name}\` | ${where} |`),
  )
  expect(wrong).toEqual([])
})

test('every option is read outside its table', () => {
  const unread = Object.entries(configOptions).filter(
    ([name, { key }]) => !new RegExp(`configOptions\\.${name}\\b`).test(sources) && !sources.includes(`'${key}'`),
  )
  expect(unread.map(([, { key }]) => key)).toEqual([])
})
