import { expect, it } from 'vitest'
import { Configuration } from '../../../src/common/configuration.ts'
import { configOptions } from '../../../src/common/config-options.ts'
import { localPath } from '../../../src/common/local-path.ts'

it.each([
  ['/data/x', '/data/x'],
  ['data/x', 'data/x'],
  ['file:///data/x', '/data/x'],
  ['FILE:/data/x', '/data/x'],
  ['file://localhost/data/x', '/data/x'],
  ['file:///data/a%20b', '/data/a b'],
  ['file:///logs/*.t?t', '/logs/*.t?t'],
  ['C:/data', 'C:/data'],
  ['odd:name', 'odd:name'],
])('%s is %s', (text, path) => {
  expect(localPath(text, 'x')).toBe(path)
})

it.each(['hdfs://host/x', 's3:/bucket/x', 'file://elsewhere/x'])('%s is refused, by name', (text) => {
  expect(() => localPath(text, '--from')).toThrow(
    expect.objectContaining({ code: 'MR_CONFIG_INVALID_VALUE', message: expect.stringMatching(`--from.*${text}`) }),
  )
})

it('options that are paths take file URLs, and refuse other schemes when they are given', () => {
  const { checkpointDir, savepointDir } = configOptions
  const configuration = Configuration.of({ [checkpointDir.key]: 'file:///a', [savepointDir.key]: 'file:/b' })
  expect([configuration.get(checkpointDir), configuration.get(savepointDir)]).toEqual(['/a', '/b'])
  expect(() => Configuration.of({ [checkpointDir.key]: 's3://bucket/a' })).toThrow(
    expect.objectContaining({ code: 'MR_CONFIG_INVALID_VALUE', message: expect.stringContaining(checkpointDir.key) }),
  )
})
