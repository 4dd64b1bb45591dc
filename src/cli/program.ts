/** The commands, options and help of `millrace`. The only reader of commander. */
import { Command, CommanderError } from 'commander'
import { codeOf, MillraceError } from '../common/errors.ts'
import type { ControlFlags } from './control-commands.ts'
import type { RunFlags } from './run-options.ts'

const collectValues = (value: string, previous: readonly string[] = []): readonly string[] => [...previous, value]

/** What a command does; answers the exit code. */
export interface Commands {
  run(file: string, flags: RunFlags, programArguments: readonly string[]): Promise<number>
  explain(file: string, flags: ExplainFlags, programArguments: readonly string[]): Promise<number>
  options(): Promise<number>
  list(flags: ControlFlags): Promise<number>
  cancel(job: string | undefined, flags: ControlFlags): Promise<number>
  stop(job: string | undefined, target: string | undefined, flags: ControlFlags): Promise<number>
  savepoint(job: string | undefined, target: string | undefined, flags: ControlFlags): Promise<number>
  checkpoint(job: string | undefined, flags: ControlFlags): Promise<number>
}

export interface ExplainFlags extends RunFlags {
  readonly format?: string
}

/** The options of a run, on any command that runs something. */
export function withRunOptions(command: Command): Command {
  return command
    .option('-p, --parallelism <count>', 'parallelism of operators that set none (default: one per core)')
    .option('-D, --define <key=value>', 'sets a configuration option; may be given several times', collectValues)
    .option('--job-dir <dir>', 'keeps checkpoints and savepoints in DIR, and resumes from the newest')
    .option('--from <path>', 'starts from this checkpoint or savepoint')
    .option('--fresh', 'starts over, whatever the job directory holds')
    .option('--allow-non-restored-state', 'drops state that no operator of the program claims')
    .option('--json', 'prints one line of JSON at the end, also for errors')
    .option('--quiet', 'shows neither progress nor summary')
}

export function program(version: string, commands: Commands, done: (exitCode: number) => void): Command {
  const root = new Command('millrace')
    .description('A dataflow engine for Node.js: streams and batches, exactly once, on every core of one machine.')
    .version(version)
    .addHelpText('after', help)
  withRunOptions(
    root
      .command('run')
      .description('runs a job module and waits for its end')
      .argument('<file>', 'job module: its default export is made by job()')
      .argument('[args...]', 'program parameters, after --'),
  )
    .addHelpText('after', runHelp)
    .action(async (file: string, rest: string[], flags: RunFlags) => done(await commands.run(file, flags, rest)))
  root
    .command('explain')
    .description('prints the plan of a job module without running it')
    .argument('<file>', 'job module')
    .argument('[args...]', 'program parameters, after --')
    .option('--format <format>', "text, json (Flink's execution plan) or mermaid", 'text')
    .option('-p, --parallelism <count>', 'parallelism of operators that set none (default: one per core)')
    .option('-D, --define <key=value>', 'sets a configuration option; may be given several times', collectValues)
    .option('--json', 'the same as --format json')
    .action(async (file: string, rest: string[], flags: ExplainFlags) =>
      done(await commands.explain(file, flags, rest)),
    )
  root
    .command('options')
    .description('lists the configuration options for -D')
    .action(async () => done(await commands.options()))
  addControlCommands(root, commands, done)
  for (const command of [root, ...root.commands]) {
    command
      .exitOverride()
      .showSuggestionAfterError()
      .configureOutput({ writeErr: () => {} })
  }
  return root
}

const jobHelp = 'job id or its beginning, job name, or job directory; without it: the only job that runs'

function addControlCommands(root: Command, commands: Commands, done: (exitCode: number) => void): void {
  const json = ['--json', 'prints one line of JSON'] as const
  const target = [
    '[target]',
    'directory for the savepoint; without it: the configured one, or the job directory',
  ] as const
  root
    .command('list')
    .description('lists the running jobs of this user')
    .option(...json)
    .action(async (flags: ControlFlags) => done(await commands.list(flags)))
  root
    .command('cancel')
    .description('cancels a running job')
    .argument('[job]', jobHelp)
    .option(...json)
    .action(async (job: string | undefined, flags: ControlFlags) => done(await commands.cancel(job, flags)))
  root
    .command('stop')
    .description('stops a running job with a savepoint, from which it can go on')
    .argument('[job]', jobHelp)
    .argument(...target)
    .option('--drain', 'lets sources end and operators give their last results first')
    .option(...json)
    .action(async (job: string | undefined, path: string | undefined, flags: ControlFlags) =>
      done(await commands.stop(job, path, flags)),
    )
  root
    .command('savepoint')
    .description('takes a savepoint of a running job')
    .argument('[job]', jobHelp)
    .argument(...target)
    .option(...json)
    .action(async (job: string | undefined, path: string | undefined, flags: ControlFlags) =>
      done(await commands.savepoint(job, path, flags)),
    )
  root
    .command('checkpoint')
    .description('takes a checkpoint of a running job now')
    .argument('[job]', jobHelp)
    .option(...json)
    .action(async (job: string | undefined, flags: ControlFlags) => done(await commands.checkpoint(job, flags)))
}

/** Commander's own errors as ours; help and version are none. */
export function usageError(error: unknown): unknown {
  if (codeOf(error) !== undefined || !(error instanceof CommanderError)) return error
  return new MillraceError('MR_CLI_USAGE', error.message.replace(/^error: /, ''))
}

/** True where commander has printed what was asked for (help, version). */
export function isAnswered(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode === 0
}

const help = `
Examples:
  millrace run word-count.ts --parallelism 2 -- --input 'docs/**/*.md' --output counts
  millrace run job.ts -D execution.checkpointing.interval=10s --job-dir state
  millrace explain job.ts --format mermaid
  millrace list
  millrace stop word-count --drain
  millrace run --help
`

const runHelp = `
Everything after -- goes to the program: env.parameters.

Exit codes: 0 finished, 1 failed, 2 wrong usage or input, 130 cancelled, 137 over, but killed: a call of
the system did not return (a disk, mount or pipe that does not answer).

Examples:
  millrace run examples/word-count.ts -- --input README.md --output counts
  millrace run job.ts --parallelism 4 --json -- --input events.ndjson

Configuration options (-D key=value) are listed by \`millrace options\`.
`
