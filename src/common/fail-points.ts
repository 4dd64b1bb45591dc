/**
 * Named places where a test can let the process die or an operation fail, so that every window of the exactly-once
 * protocol is crashed in on purpose. Armed by `MILLRACE_FAIL_POINT=name[:skip[:kill|throw]]` (several separated by
 * commas) or by `armFailPoint`. Off, a fail point costs one load and a compare.
 * Hits are counted per thread: every worker loads its own copy of this module.
 */
import { MillraceError } from './errors.ts'

/** The name of a fail point. */
export type FailPointName =
  | 'during-open'
  | 'during-restore'
  | 'during-snapshot-write'
  | 'between-precommit-and-ack'
  | 'before-metadata-rename'
  | 'between-metadata-rename-and-commit'
  | 'halfway-through-commit'
  | 'after-commit'
  | 'during-retention'
  | 'during-savepoint'

/** All fail points, with where they lie. */
export const failPoints: Readonly<Record<FailPointName, string>> = Object.freeze({
  'during-open': 'the job directory is locked, leavings of the last run are being removed',
  'during-restore': 'a slot has read part of the state it restores',
  'during-snapshot-write': 'a slot has written part of a state file',
  'between-precommit-and-ack': 'a sink has prepared its transaction, the subtask has not acknowledged',
  'before-metadata-rename': 'the metadata is written under its temporary name',
  'between-metadata-rename-and-commit': 'the checkpoint is complete, nobody has been told',
  'halfway-through-commit': 'a committer has committed some of its transactions',
  'after-commit': 'a committer has committed everything, nobody has been told',
  'during-retention': 'the metadata of a subsumed checkpoint is gone, its files are not',
  'during-savepoint': 'some files are linked into a savepoint, its metadata is not written',
})

interface Armed {
  /** Hits to let pass. */
  skip: number
  readonly action: 'kill' | 'throw' | (() => void)
}

let armed: Map<FailPointName, Armed> | undefined = parse(process.env['MILLRACE_FAIL_POINT'])

export function failPoint(name: FailPointName): void {
  if (armed !== undefined) hit(name)
}

/** Arms a fail point in this thread; answers a function that disarms it. */
export function armFailPoint(name: FailPointName, action: Armed['action'], skip = 0): () => void {
  armed ??= new Map()
  armed.set(name, { skip, action })
  return () => {
    armed?.delete(name)
    if (armed?.size === 0) armed = undefined
  }
}

function hit(name: FailPointName): void {
  const entry = armed?.get(name)
  if (entry === undefined || entry.skip-- > 0) return
  if (entry.action === 'kill') process.kill(process.pid, 'SIGKILL')
  else if (entry.action === 'throw') throw new MillraceError('MR_CHECKPOINT_FAILED', `fail point ${name}`)
  else entry.action()
}

function parse(text: string | undefined): Map<FailPointName, Armed> | undefined {
  if (text === undefined || text === '') return undefined
  const entries = new Map<FailPointName, Armed>()
  for (const part of text.split(',')) {
    const [name = '', skip = '0', action = 'kill'] = part.split(':')
    if (!(name in failPoints) || !/^\d+$/.test(skip) || (action !== 'kill' && action !== 'throw')) {
      throw new MillraceError(
        'MR_CONFIG_INVALID_VALUE',
        `MILLRACE_FAIL_POINT must be name[:skip[:kill|throw]] with a name of ${Object.keys(failPoints).join(', ')}; got ${part}`,
      )
    }
    entries.set(name as FailPointName, { skip: Number(skip), action })
  }
  return entries
}
