/** Entry of the command line: `scripts/millrace.mjs` imports it. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { keepCompiledCode } from '../common/compiled-code.ts'
import { MillraceError } from '../common/errors.ts'
import { loadJobModule } from '../plan/load-job-module.ts'
import type * as ControlCommands from './control-commands.ts'
import { type Commands, isAnswered, program, usageError } from './program.ts'
import { runJob, reportError } from './run-job.ts'
import { runSettings } from './run-options.ts'

export { endProcess } from '../common/hung-calls.ts'

/** Runs the command that `args` name; answers the exit code. */
export async function main(args: readonly string[], version: string): Promise<number> {
  let exitCode = 0
  const commands = program(version, { run, explain, options, ...control }, (code) => (exitCode = code))
  try {
    if (args.length === 0) commands.outputHelp()
    else await commands.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (isAnswered(error)) return 0
    return await reportError(usageError(error), args.includes('--json'))
  }
  return exitCode
}

/** MR_CLI_USAGE where there is no such file. */
function moduleUrlOf(file: string): string {
  if (existsSync(file)) return pathToFileURL(file).href
  throw new MillraceError('MR_CLI_USAGE', `there is no job module at ${resolve(file)}`)
}

const run: Commands['run'] = async (file, flags, programArguments) => {
  keepCompiledCode()
  const { exitCode } = await runJob(
    async () => {
      const moduleUrl = moduleUrlOf(file)
      const settings = runSettings(flags, programArguments)
      return { ...settings, definition: await loadJobModule(moduleUrl), moduleUrl }
    },
    { json: flags.json ?? false, quiet: flags.quiet },
  )
  return exitCode
}

const explain: Commands['explain'] = async (file, flags, programArguments) => {
  const { explainJob } = await import('./explain-command.ts')
  const definition = await loadJobModule(moduleUrlOf(file))
  const format = flags.json ? 'json' : (flags.format ?? 'text')
  process.stdout.write(explainJob(definition, runSettings(flags, programArguments), format))
  return 0
}

const options: Commands['options'] = async () => {
  const { optionsText } = await import('./options-command.ts')
  process.stdout.write(optionsText())
  return 0
}

const control: Pick<Commands, 'list' | 'cancel' | 'stop' | 'savepoint' | 'checkpoint'> = {
  list: (...given) => say(async ({ list }) => list(...given)),
  cancel: (...given) => say(async ({ cancel }) => cancel(...given)),
  stop: (...given) => say(async ({ stop }) => stop(...given)),
  savepoint: (...given) => say(async ({ savepoint }) => savepoint(...given)),
  checkpoint: (...given) => say(async ({ checkpoint }) => checkpoint(...given)),
}

async function say(act: (commands: typeof ControlCommands) => Promise<string>): Promise<number> {
  process.stdout.write(await act(await import('./control-commands.ts')))
  return 0
}
