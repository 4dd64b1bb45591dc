import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const folder = fileURLToPath(new URL('.', import.meta.url))
const root = fileURLToPath(new URL('../..', import.meta.url))

it('programs that are right compile, and every line marked as an error is one', () => {
  const tsc = `${root}/node_modules/typescript/bin/tsc`
  const { stdout, status } = spawnSync(process.execPath, [tsc, '--noEmit', '-p', folder], { encoding: 'utf8' })
  expect(stdout).toBe('')
  expect(status).toBe(0)
})

it('the examples compile as a user would write them', () => {
  const tsc = `${root}/node_modules/typescript/bin/tsc`
  const args = [tsc, '--noEmit', '-p', `${root}/examples`]
  expect(spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout).toBe('')
})

it('every type test holds at least one line that must not compile', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts') && name !== 'types.test.ts')
  expect(files.length).toBeGreaterThan(0)
  for (const name of files) expect(readFileSync(`${folder}/${name}`, 'utf8'), name).toContain('@ts-expect-error')
})
