import { describe, expect, it } from 'vitest'
import { parseBytes, parseDurationMs } from '../../../src/common/config-option.ts'
import { configOptions } from '../../../src/common/config-options.ts'
import { Configuration } from '../../../src/common/configuration.ts'

describe('configuration', () => {
  it('gives defaults where nothing is set and parses what is', () => {
    const configuration = Configuration.of({ 'execution.checkpointing.interval': '10 s', 'parallelism.default': 3 })
    expect(configuration.get(configOptions.checkpointInterval)).toBe(10_000)
    expect(configuration.get(configOptions.parallelism)).toBe(3)
    expect(configuration.get(configOptions.segmentBytes)).toBe(65_536)
    expect(configuration.get(configOptions.restartStrategy)).toBeUndefined()
    expect(configuration.toPlain()).toEqual({ 'execution.checkpointing.interval': '10 s', 'parallelism.default': '3' })
    expect(Configuration.of(configuration.toPlain()).get(configOptions.checkpointInterval)).toBe(10_000)
  })

  it('lets later values override earlier ones', () => {
    const configuration = Configuration.of({ 'execution.runtime-mode': 'BATCH' }).with({
      'execution.runtime-mode': 'AUTOMATIC',
    })
    expect(configuration.get(configOptions.runtimeMode)).toBe('automatic')
  })

  it('suggests the nearest key for an unknown one', () => {
    expect(() => Configuration.of({ 'execution.checkpointing.intervall': '1 s' })).toThrow(
      expect.objectContaining({
        code: 'MR_CONFIG_UNKNOWN_OPTION',
        message: expect.stringContaining("did you mean 'execution.checkpointing.interval'?"),
      }),
    )
  })

  it.each([
    ['parallelism.default', '1.5'],
    ['parallelism.default', '0'],
    ['parallelism.default', '32769'],
    ['execution.runtime-mode', 'fast'],
    ['execution.buffer-timeout.interval', '10 parsecs'],
    ['execution.buffer-timeout.interval', '-1'],
    ['taskmanager.memory.segment-size', '1 kb'],
    ['pipeline.operator-chaining.enabled', 'yes'],
    ['restart-strategy.exponential-delay.jitter-factor', ''],
  ])('refuses %s = %s', (key, value) => {
    expect(() => Configuration.of({ [key]: value })).toThrow(
      expect.objectContaining({ code: 'MR_CONFIG_INVALID_VALUE', message: expect.stringContaining(key) }),
    )
  })

  it('reads durations and sizes with their units', () => {
    expect(['250', '250ms', '10 s', '1.5 min', '2 h', '1 d'].map((text) => parseDurationMs(text))).toEqual([
      250, 250, 10_000, 90_000, 7_200_000, 86_400_000,
    ])
    expect(['4096', '64 kb', '1m', '2 GB'].map((text) => parseBytes(text))).toEqual([4096, 65_536, 1 << 20, 2 ** 31])
  })

  it('documents every option', () => {
    const keys = Object.values(configOptions).map((option) => option.key)
    expect(new Set(keys).size).toBe(keys.length)
    for (const option of Object.values(configOptions)) {
      expect(option.description, option.key).toMatch(/^[A-Z0-9`].{10,}[.]$/s)
      expect(option.defaultText, option.key).not.toBe('')
      if (option.defaultValue !== undefined)
        expect(option.parse(option.defaultText), option.key).toEqual(option.defaultValue)
    }
  })
})
