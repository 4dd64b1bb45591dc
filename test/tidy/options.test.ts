/** Every configuration option does something: it is read somewhere. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { configOptions } from '../../src/common/config-options.ts'
import { root } from '../support/repository.ts'

test('every option is read outside its table', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('config-options.ts'))
    .map((path) => readFileSync(join(root, 'src', path), 'utf8'))
    .join('\n')
  const unread = Object.entries(configOptions).filter(
    ([name, { key }]) => !new RegExp(`configOptions\\.${name}\\b`).test(sources) && !sources.includes(`'${key}'`),
  )
  expect(unread.map(([, { key }]) => key)).toEqual([])
})
