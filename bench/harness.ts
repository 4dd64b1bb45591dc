/**
 * The harness of whole-job benches: runs the cases in turns (so that a noisy neighbour hits all of them alike), takes
 * medians, compares checksums, and reports with machine, versions and commit.
 *
 * A bench file states its question and command in its header, exports `bench: Bench`, and ends with
 * `if (import.meta.main) await main(bench)`. Options: `--json` prints the report as one JSON line, `--size small|full`,
 * `--runs N`, `--save` also writes bench/results/NAME.json. The small size runs inside the tests.
 */
import { execFileSync, type StdioOptions } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { arch, cpus, platform, release, totalmem } from 'node:os'
import { parseArgs } from 'node:util'

export type BenchSize = 'small' | 'full'

/** A checksum, with seconds where the case measures its own work: a job without the start of its slots. */
export type BenchOutcome = number | string | { readonly checksum: number | string; readonly seconds: number }

export interface BenchCase {
  readonly name: string
  /** Does the work once and returns a checksum; cases of one group must agree on it. */
  run(): BenchOutcome | Promise<BenchOutcome>
  /** Cases of different groups do different work. Default: one group. */
  readonly group?: string
}

/** A quotient of two cases' speeds that is measured against a bar. */
export interface Ratio {
  readonly name: string
  /** Speed of `of` in multiples of the speed of `against` (names of cases). */
  readonly of: string
  readonly against: string
  /** At least this much is promised. Undefined: only reported. */
  readonly bar?: number
}

/** An absolute figure that must stay under a bar. */
export interface Limit {
  readonly name: string
  readonly value: number
  readonly max: number
  readonly unit: string
}

export interface BenchPlan {
  readonly cases: readonly BenchCase[]
  /** What one run of a case handles, for rates. */
  readonly items: number
  readonly unit: string
  readonly ratios: readonly Ratio[]
  /** Extra figures known after the runs (resident set, latency), shown as they are. */
  extra?(): Readonly<Record<string, number | string>>
  /** Absolute bars, known after the runs. */
  limits?(): readonly Limit[]
  dispose?(): void | Promise<void>
}

export interface Bench {
  readonly name: string
  readonly question: string
  /** Turns measured; one more comes first and is thrown away. */
  readonly runs: number
  prepare(size: BenchSize): BenchPlan | Promise<BenchPlan>
}

export interface BenchRow {
  readonly name: string
  readonly seconds: number
  readonly secondsAll: readonly number[]
  readonly perSecond: number
  readonly checksum: number | string
}

export interface BenchReport {
  readonly bench: string
  readonly size: BenchSize
  readonly items: number
  readonly unit: string
  readonly rows: readonly BenchRow[]
  readonly ratios: readonly { name: string; value: number; bar: number | undefined; isMet: boolean | undefined }[]
  readonly limits: readonly (Limit & { readonly isMet: boolean })[]
  readonly extra: Readonly<Record<string, number | string>>
  readonly machine: Readonly<Record<string, number | string>>
  readonly versions: Readonly<Record<string, string>>
  readonly commit: string
  readonly date: string
}

export async function runBench(bench: Bench, size: BenchSize, runs: number = bench.runs): Promise<BenchReport> {
  const plan = await bench.prepare(size)
  try {
    const { seconds, checksums } = await runInTurns(plan.cases, runs)
    const rows = plan.cases.map((one): BenchRow => {
      const all = seconds.get(one.name)!
      const middle = medianOf(all)
      return {
        name: one.name,
        seconds: middle,
        secondsAll: all,
        perSecond: plan.items / middle,
        checksum: checksums.get(one.name)!,
      }
    })
    return {
      bench: bench.name,
      size,
      items: plan.items,
      unit: plan.unit,
      rows,
      ratios: plan.ratios.map((ratio) => evaluate(ratio, seconds)),
      limits: (plan.limits?.() ?? []).map((limit) => ({ ...limit, isMet: limit.value <= limit.max })),
      extra: plan.extra?.() ?? {},
      machine: describeMachine(),
      versions: { node: process.versions.node, v8: process.versions.v8 },
      commit: commitOf(),
      date: new Date().toISOString(),
    }
  } finally {
    await plan.dispose?.()
  }
}

/** Reads the options, runs the bench and prints its report. Exit code 1 where a bar is not met at full size. */
export async function main(bench: Bench): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      size: { type: 'string', default: 'full' },
      runs: { type: 'string', default: String(bench.runs) },
    },
  })
  if (values.size !== 'small' && values.size !== 'full') throw new Error(`--size must be small or full: ${values.size}`)
  const report = await runBench(bench, values.size, Number(values.runs))
  if (values.save) save(report)
  console.log(values.json ? JSON.stringify(report) : format(bench, report))
  const isMissed = [...report.ratios, ...report.limits].some((bar) => bar.isMet === false)
  if (values.size === 'full' && isMissed) process.exitCode = 1
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

async function runInTurns(
  cases: readonly BenchCase[],
  runs: number,
): Promise<{ seconds: Map<string, number[]>; checksums: Map<string, number | string> }> {
  const seconds = new Map<string, number[]>(cases.map((one) => [one.name, []]))
  const checksums = new Map<string, number | string>()
  const expected = new Map<string, { checksum: number | string; name: string }>()
  for (let turn = 0; turn <= runs; turn++) {
    for (const one of cases) {
      const start = performance.now()
      const outcome = await one.run()
      const wall = (performance.now() - start) / 1000
      const { checksum, seconds: elapsed } =
        typeof outcome === 'object' ? outcome : { checksum: outcome, seconds: wall }
      const group = one.group ?? ''
      const first = expected.get(group) ?? { checksum, name: one.name }
      expected.set(group, first)
      if (first.checksum !== checksum) {
        throw new Error(`${one.name} computed ${checksum}, but ${first.name} computed ${first.checksum}`)
      }
      checksums.set(one.name, checksum)
      if (turn > 0 || runs === 0) seconds.get(one.name)!.push(elapsed)
    }
  }
  return { seconds, checksums }
}

/** The median of the quotients within each turn: neighbours' noise cancels out. */
function evaluate(ratio: Ratio, seconds: Map<string, number[]>): BenchReport['ratios'][number] {
  const of = seconds.get(ratio.of)
  const against = seconds.get(ratio.against)
  if (of === undefined || against === undefined) throw new Error(`${ratio.name} names a case that does not exist`)
  const value = medianOf(of.map((own, turn) => against[turn]! / own))
  return {
    name: ratio.name,
    value,
    bar: ratio.bar,
    isMet: ratio.bar === undefined ? undefined : value >= ratio.bar,
  }
}

function describeMachine(): Record<string, number | string> {
  const cores = cpus()
  return {
    cpu: cores[0]?.model ?? 'unknown',
    cores: cores.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
  }
}

function commitOf(): string {
  try {
    const options = {
      encoding: 'utf8' as const,
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'ignore'] as StdioOptions,
    }
    const isDirty = execFileSync('git', ['status', '--porcelain', '-uno'], options) !== ''
    return execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], options).trim() + (isDirty ? '+' : '')
  } catch {
    return 'unknown'
  }
}

function save(report: BenchReport): void {
  const directory = new URL('./results/', import.meta.url)
  mkdirSync(directory, { recursive: true })
  writeFileSync(new URL(`${report.bench}.json`, directory), `${JSON.stringify(report, null, 2)}\n`)
}

function format(bench: Bench, report: BenchReport): string {
  const width = Math.max(...report.rows.map((row) => row.name.length), ...report.ratios.map((r) => r.name.length), 8)
  const lines = [`${bench.name}: ${bench.question}`, `${report.items.toLocaleString('en')} ${report.unit}`, '']
  for (const row of report.rows) {
    lines.push(
      `${row.name.padEnd(width)}  ${row.seconds.toFixed(3).padStart(9)} s  ${rate(row.perSecond)} ${report.unit}/s`,
    )
  }
  if (report.ratios.length > 0) lines.push('')
  for (const ratio of report.ratios) {
    const bar = ratio.bar === undefined ? '' : `  (bar ${ratio.bar}: ${ratio.isMet ? 'met' : 'MISSED'})`
    lines.push(`${ratio.name.padEnd(width)}  ${ratio.value.toFixed(2).padStart(9)} ×${bar}`)
  }
  for (const { name, value, max, unit, isMet } of report.limits) {
    const bar = `(bar ${max} ${unit}: ${isMet ? 'met' : 'MISSED'})`
    lines.push(`${name.padEnd(width)}  ${value.toFixed(1).padStart(9)} ${unit}  ${bar}`)
  }
  const extra = Object.entries(report.extra)
  if (extra.length > 0) lines.push('')
  for (const [name, value] of extra) lines.push(`${name.padEnd(width)}  ${value}`)
  return lines.join('\n')
}

function rate(perSecond: number): string {
  const [scaled, unit] =
    perSecond >= 1e6 ? [perSecond / 1e6, ' M'] : perSecond >= 1e3 ? [perSecond / 1e3, ' k'] : [perSecond, ' ']
  return `${scaled.toFixed(2).padStart(8)}${unit}`
}
