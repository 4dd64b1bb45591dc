import { describe, expect, it } from 'vitest'
import { parseOwnArguments } from '../../../src/cli/own-arguments.ts'
import { type Commands, program, usageError } from '../../../src/cli/program.ts'
import { runSettings } from '../../../src/cli/run-options.ts'

async function parse(...args: string[]): Promise<unknown> {
  let seen: unknown
  const commands: Commands = {
    run: async (...given) => ((seen = ['run', ...given]), 0),
    explain: async (...given) => ((seen = ['explain', ...given]), 0),
    options: async () => ((seen = ['options']), 0),
    list: async (...given) => ((seen = ['list', ...given]), 0),
    cancel: async (...given) => ((seen = ['cancel', ...given]), 0),
    stop: async (...given) => ((seen = ['stop', ...given]), 0),
    savepoint: async (...given) => ((seen = ['savepoint', ...given]), 0),
    checkpoint: async (...given) => ((seen = ['checkpoint', ...given]), 0),
  }
  try {
    await program('1.2.3', commands, () => {}).parseAsync(args, { from: 'user' })
  } catch (error) {
    throw usageError(error)
  }
  return seen
}

describe('the command line', () => {
  it('takes options before and after the file, and leaves what follows -- to the program', async () => {
    expect(
      await parse('run', '-p', '2', 'job.ts', '--json', '-D', 'a=b=c', '-D', 'd=e', '--', '--input', 'x', '--json'),
    ).toEqual(['run', 'job.ts', { parallelism: '2', json: true, define: ['a=b=c', 'd=e'] }, ['--input', 'x', '--json']])
    expect(await parse('explain', 'job.ts', '--format', 'json')).toEqual(['explain', 'job.ts', { format: 'json' }, []])
    expect(await parse('stop', 'abc', 'there', '--drain')).toEqual(['stop', 'abc', 'there', { drain: true }])
    expect(await parse('cancel')).toEqual(['cancel', undefined, {}])
  })

  it.each([
    [['run']],
    [['run', 'job.ts', '--parallelsim', '2']],
    [['rnu', 'job.ts']],
    [['run', 'job.ts', '--parallelism']],
  ])('refuses %j', async (args) => {
    await expect(parse(...args)).rejects.toMatchObject({ code: 'MR_CLI_USAGE' })
  })
})

describe('run settings', () => {
  it('are parameters, configuration and parallelism', () => {
    expect(runSettings({ parallelism: '3', define: ['a=b=c', ' d = e '] }, ['--input', 'x'])).toMatchObject({
      parallelism: 3,
      configuration: { a: 'b=c', d: 'e' },
      parameters: { named: { input: ['x'] }, positional: [] },
    })
  })

  it.each(['0', '-1', '1.5', 'many', '32769'])('refuse parallelism %s', (parallelism) => {
    expect(() => runSettings({ parallelism }, [])).toThrow(expect.objectContaining({ code: 'MR_PLAN_PARALLELISM' }))
  })

  it.each(['key', '=value'])('refuse -D %s', (definition) => {
    expect(() => runSettings({ define: [definition] }, [])).toThrow(expect.objectContaining({ code: 'MR_CLI_USAGE' }))
  })
})

describe('a job module run by itself', () => {
  it('takes the options of a run from anywhere and gives the rest to the program', () => {
    const parsed = parseOwnArguments([
      '--input',
      'a.txt',
      '--parallelism',
      '2',
      '--verbose',
      '--json',
      '--',
      '--json',
      'x',
    ])
    expect(parsed).toMatchObject({
      flags: { parallelism: '2', json: true },
      settings: { parallelism: 2, parameters: { named: { input: ['a.txt'], verbose: [], json: ['x'] } } },
    })
  })
})
