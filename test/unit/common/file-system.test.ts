import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeDirectorySync, nodeFileSystem } from '../../../src/common/file-system.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

describe.each([
  ['makeDirectory', (path: string) => nodeFileSystem.makeDirectory(path)],
  ['makeDirectorySync', async (path: string) => makeDirectorySync(path)],
])('%s', (_, make) => {
  it('makes a directory with those above it, and leaves one that is there', async () => {
    const path = join(temporaryDirectory(), 'a', 'b', 'c')
    await make(path)
    await make(path)
    expect(existsSync(path)).toBe(true)
  })

  it('says where something is in the way', async () => {
    const file = join(temporaryDirectory(), 'file')
    writeFileSync(file, '')
    await expect(make(file)).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(make(join(file, 'below'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  })

  it.runIf(existsSync('/proc'))('comes back where the system refuses a directory as missing', async () => {
    await expect(make('/proc/nobody/can/make/this')).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('makes one that others make at the same time', async () => {
    const path = join(temporaryDirectory(), 'a', 'b')
    await Promise.all(Array.from({ length: 10 }, () => make(path)))
    expect(existsSync(path)).toBe(true)
  })
})
