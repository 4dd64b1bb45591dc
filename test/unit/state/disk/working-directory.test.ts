import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { makeWorkingDirectory } from '../../../../src/state/disk/working-directory.ts'

it('is made with the directories above it', () => {
  const root = mkdtempSync(join(tmpdir(), 'millrace-working-'))
  try {
    const made = makeWorkingDirectory(join(root, 'a', 'b'), 'rocksdb')
    expect(existsSync(made)).toBe(true)
    expect(dirname(made)).toBe(join(root, 'a', 'b'))
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})

it.runIf(process.platform === 'linux')('fails with a code where the system refuses a directory as missing', () => {
  expect(() => makeWorkingDirectory('/proc/nowhere/state', 'rocksdb')).toThrow(
    expect.objectContaining({ code: 'MR_STATE_DISK_FAILED' }),
  )
})
