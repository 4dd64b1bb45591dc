/**
 * Names of part files. A part is written under a hidden name and published by renaming it:
 *
 *   .part-<subtask>-<count>.txt.inprogress   being written, or waiting for its checkpoint
 *    part-<subtask>-<count>.txt              published
 *   .part-<subtask>-<count>.txt.kept         waiting for its checkpoint, and held by a savepoint
 *   .part-<subtask>-<count>.txt.superseded   was published, but not on the way to the checkpoint that the job was later
 *                                            restored from
 */
export interface PartNaming {
  readonly prefix: string
  readonly suffix: string
}

export interface PartId {
  readonly subtask: number
  /** Counted per subtask, over all buckets. */
  readonly count: number
}

export type PartStage = 'inprogress' | 'published' | 'kept' | 'superseded'

export function partName({ prefix, suffix }: PartNaming, { subtask, count }: PartId, stage: PartStage): string {
  const name = `${prefix}-${subtask}-${count}${suffix}`
  return stage === 'published' ? name : hiddenNameOf(name, stage)
}

/** Of the part that is, or will be, published as `name`. */
export function hiddenNameOf(name: string, stage: Exclude<PartStage, 'published'>): string {
  return `.${name}.${stage}`
}

/** What a file name says, undefined for names that are not ours. */
export function parsePartName(naming: PartNaming, name: string): (PartId & { readonly stage: PartStage }) | undefined {
  const hidden = /^\.(.*)\.(inprogress|kept|superseded)$/.exec(name)
  const visible = hidden?.[1] ?? name
  const { prefix, suffix } = naming
  if (!visible.startsWith(`${prefix}-`) || !visible.endsWith(suffix)) return undefined
  const middle = visible.slice(prefix.length + 1, visible.length - suffix.length)
  const match = /^(\d+)-(\d+)$/.exec(middle)
  if (match === null) return undefined
  const stage = (hidden?.[2] ?? 'published') as PartStage
  return { subtask: Number(match[1]), count: Number(match[2]), stage }
}
