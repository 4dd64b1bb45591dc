/** What a disk that forgets may, and may not, give back after a crash. */
import { expect, it } from 'vitest'
import { ForgetfulDisk } from '../../../src/testing/index.ts'

async function write(disk: ForgetfulDisk, path: string): Promise<void> {
  const file = await disk.open(path, 'exclusive')
  await file.write(new Uint8Array([1]))
  await file.sync()
  await file.close()
}

it('brings nothing of a removed directory back in one that was made by its name', async () => {
  const seen = new Set<string>()
  for (let seed = 0; seed < 200; seed++) {
    const disk = new ForgetfulDisk({ seed })
    await disk.makeDirectory('/a')
    await write(disk, '/a/old')
    await disk.syncDirectory('/a')
    await disk.syncDirectory('/')
    await disk.remove('/a')
    await disk.makeDirectory('/a')
    await write(disk, '/a/new')
    await disk.syncDirectory('/a')
    if (seed % 2 === 0) await disk.syncDirectory('/')
    const after = disk.crash()
    const found = (await after.stat('/a')) === undefined ? 'nothing' : (await after.list('/a')).join()
    seen.add(found)
    if (seed % 2 === 0) expect(found).toBe('new')
    else expect(['nothing', '', 'old', 'new']).toContain(found)
  }
  expect([...seen].toSorted()).toEqual(['', 'new', 'nothing', 'old'])
})

it('moves a directory with what is in it, or not at all', async () => {
  for (let seed = 0; seed < 100; seed++) {
    const disk = new ForgetfulDisk({ seed })
    await disk.makeDirectory('/a/b')
    await write(disk, '/a/b/file')
    for (const directory of ['/a/b', '/a', '/']) await disk.syncDirectory(directory)
    await disk.rename('/a', '/c')
    if (seed % 2 === 0) await disk.syncDirectory('/')
    const after = disk.crash()
    const files = after.files()
    if (seed % 2 === 0) expect(files).toEqual(['/c/b/file'])
    else expect([['/a/b/file'], ['/c/b/file']]).toContainEqual(files)
    const remounted = after.remount({ seed })
    expect(remounted.files()).toEqual(files)
  }
})
