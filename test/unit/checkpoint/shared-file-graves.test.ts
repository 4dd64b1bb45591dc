import { describe, expect, it } from 'vitest'
import { SharedFileGraves } from '../../../src/checkpoint/shared-file-graves.ts'

describe('shared files that nobody retained refers to', () => {
  it('may be removed once the subsuming checkpoint is confirmed, and all that were under way are over', () => {
    const graves = new SharedFileGraves()
    graves.bury(['shared/a'], 5)
    const ripe = (confirmed: number, ...underWay: number[]): string[] =>
      graves.takeRipe(
        () => confirmed,
        () => underWay,
      )
    expect(ripe(4, 6)).toEqual([])
    expect(ripe(5, 6, 7)).toEqual([])
    graves.checkpointOver(6)
    expect(ripe(5, 7, 8)).toEqual([])
    graves.checkpointOver(7)
    expect(ripe(5, 8)).toEqual(['shared/a'])
    expect(ripe(9)).toEqual([])
  })

  it('stay where a checkpoint that was under way completes with them, since later ones may build on it', () => {
    const graves = new SharedFileGraves()
    graves.bury(['shared/a', 'shared/b'], 5)
    const ripe = (confirmed: number, ...underWay: number[]): string[] =>
      graves.takeRipe(
        () => confirmed,
        () => underWay,
      )
    expect(ripe(5, 6, 8)).toEqual([])
    // 6 builds on 3, as 5 did not; 9 will build on 6, 8 builds on 5.
    graves.exhume(new Set(['shared/a']))
    graves.checkpointOver(6)
    graves.bury(['shared/a'], 8)
    graves.checkpointOver(8)
    expect(ripe(6, 9)).toEqual(['shared/b'])
    expect(ripe(8, 9)).toEqual([])
    graves.checkpointOver(9)
    expect(ripe(8)).toEqual(['shared/a'])
  })
})
