/** No file that nothing imports, and no error code that nothing raises. Entries are listed in knip.json. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { errorCodes } from '../../src/common/error-codes.ts'
import { read, root, trackedFiles } from '../support/repository.ts'

test('every file is used', { timeout: 60_000 }, () => {
  const knip = join(root, 'node_modules', 'knip', 'bin', 'knip.js')
  const args = [knip, '--no-progress', '--no-config-hints', '--include', 'files']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  expect(status, stdout + stderr).toBe(0)
})

test('every error code is raised somewhere', () => {
  const sources = trackedFiles('src')
    .filter((path) => path.endsWith('.ts') && !path.endsWith('error-codes.ts'))
    .map((path) => read(path))
    .join('\n')
  expect(Object.keys(errorCodes).filter((code) => !sources.includes(`'${code}'`))).toEqual([])
})
