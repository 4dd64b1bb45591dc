/**
 * Writes docs/configuration.md and docs/errors.md from the tables that the engine itself reads: `npm run reference`.
 * A test checks that they are up to date.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { configOptions } from '../src/common/config-options.ts'
import { errorCodes } from '../src/common/error-codes.ts'

const notice = 'Written by `npm run reference`; change the table it names instead.'

/** Texts of the documents by their path. */
export function reference(): Record<string, string> {
  return { 'docs/configuration.md': configuration(), 'docs/errors.md': errors() }
}

function configuration(): string {
  const rows = Object.values(configOptions)
    .map((option) => [`\`${option.key}\``, printDefault(option.defaultText), meaningOf(option)])
    .toSorted(([a], [b]) => (a! < b! ? -1 : 1))
  return `# Configuration

Give an option with \`-D key=value\`, in \`env.configure\`, or in a job's options. Keys are Flink's where the option is
the same. Durations are written \`200 ms\`, \`10 s\`, \`5 min\`, \`1 h\`, \`1 d\`; sizes \`64 kb\`, \`32 mb\`, \`1 gb\` in units of 1024.

${notice} (\`src/common/config-options.ts\`)

${table(['key', 'default', 'meaning'], rows)}`
}

function meaningOf(option: { readonly description: string; readonly choices?: readonly string[] }): string {
  if (option.choices === undefined) return option.description
  return `${option.choices.map((choice) => `\`${choice}\``).join(', ')}. ${option.description}`
}

function errors(): string {
  const rows = Object.entries(errorCodes).map(([code, entry]) => [
    `\`${code}\``,
    entry.summary,
    entry.advice,
    entry.retryable ? 'yes' : 'no',
    String(entry.exitCode),
  ])
  return `# Errors

Every operating error is a \`MillraceError\` with one of these codes. Compare \`code\`, never \`instanceof\`: errors cross
threads. Retryable ones are worth a restart; the exit code is that of the \`millrace\` command.

${notice} (\`src/common/error-codes.ts\`)

${table(['code', 'what happened', 'what to do', 'retryable', 'exit code'], rows)}`
}

function printDefault(text: string | undefined): string {
  return text === undefined || text === '' ? '–' : `\`${text}\``
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('')
}

if (import.meta.main) {
  mkdirSync(new URL('../docs/', import.meta.url), { recursive: true })
  for (const [path, text] of Object.entries(reference())) writeFileSync(new URL(`../${path}`, import.meta.url), text)
}
