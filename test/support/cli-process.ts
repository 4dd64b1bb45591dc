/**
 * `millrace` from the sources, in a process of its own; started by `startCli`. With MILLRACE_TEST_LOCAL=1 a `run` takes
 * place in this thread instead of workers.
 */
import { Command } from 'commander'
import { main } from '../../src/cli/main.ts'
import { withRunOptions } from '../../src/cli/program.ts'
import { runJob } from '../../src/cli/run-job.ts'
import { type RunFlags, runSettings } from '../../src/cli/run-options.ts'
import { loadJobModule } from '../../src/plan/load-job-module.ts'

const args = process.argv.slice(2)
process.exit(
  process.env['MILLRACE_TEST_LOCAL'] === '1' && args[0] === 'run' ? await runLocally() : await main(args, '0'),
)

async function runLocally(): Promise<number> {
  let exitCode = 1
  const command = withRunOptions(new Command().argument('<file>').argument('[args...]'))
  command.action(async (file: string, rest: string[], flags: RunFlags) => {
    const request = async () => ({ ...runSettings(flags, rest), definition: await loadJobModule(file) })
    exitCode = (await runJob(request, { json: flags.json ?? false, quiet: flags.quiet })).exitCode
  })
  await command.parseAsync(args.slice(1), { from: 'user' })
  return exitCode
}
