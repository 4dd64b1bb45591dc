/**
 * From what a checkpoint holds to what each subtask of a job graph starts from: by operator id, at the same or another
 * parallelism. Pure.
 *
 * - Keyed state: the handles whose key groups intersect the subtask's range.
 * - Operator state: even split dealt out anew (kept in place where the parallelism is the same), union and broadcast to
 *   everyone.
 * - Splits, writer states and committables: kept in place, or dealt out round robin.
 * - Channel state: kept in place, or by the partitioner of the edge; into the chain where the edge is within one now.
 */
import { MillraceError } from '../common/errors.ts'
import { keyGroupRangeOf } from '../data/key-groups.ts'
import type { KeyGroupRange, KeyedStateHandle } from '../state/keyed-state-backend.ts'
import type { OperatorStateSnapshot } from '../state/operator-state.ts'
import type { CheckpointMetadata, EdgeMetadata, OperatorMetadata, OperatorSnapshot } from './checkpoint-metadata.ts'
import { type CheckpointPlan, type PlannedEdge, type PlannedVertex, subtaskKeyOf } from './checkpoint-plan.ts'
import type { ChainedRestore, ChannelRestore, OperatorRestore, SubtaskRestore } from './messages.ts'

export interface RestoreOptions {
  /** Drop state that no operator of the program claims, instead of refusing. */
  readonly allowNonRestoredState: boolean
  /** Root of the checkpoint's files. */
  readonly directory: string
}

export interface RestoreAssignment {
  /** By `vertexIndex:subtaskIndex`; subtasks that are not there start empty. */
  readonly subtasks: Readonly<Record<string, SubtaskRestore>>
  /** By vertex index: the splits that are still to be assigned, in place of those that the source enumerates. */
  readonly splitPools: Readonly<Record<number, readonly unknown[]>>
  /** Names of operators whose state was dropped. */
  readonly dropped: readonly string[]
}

/** MR_CHECKPOINT_INCOMPATIBLE says what does not fit: an operator that is gone, another max parallelism. */
export function assignRestore(
  metadata: CheckpointMetadata,
  plan: CheckpointPlan,
  options: RestoreOptions,
): RestoreAssignment {
  const operators = new Map(metadata.operators.map((operator) => [operator.operatorId, operator]))
  const dropped = findUnclaimed(metadata, plan, options.allowNonRestoredState)
  const { channels, chained } = assignChannels(metadata, plan, options.allowNonRestoredState)
  const subtasks: Record<string, SubtaskRestore> = {}
  const splitPools: Record<number, readonly unknown[]> = {}
  for (const vertex of plan.vertices) {
    const stored = vertex.operators.flatMap(({ operatorId }) => operators.get(operatorId) ?? [])
    for (const operator of stored) checkParallelism(operator, vertex)
    const pool = operators.get(vertex.operators[0]?.operatorId ?? '')?.unassignedSplits
    if (vertex.isSource && pool !== undefined) splitPools[vertex.index] = pool
    for (let subtaskIndex = 0; subtaskIndex < vertex.parallelism; subtaskIndex++) {
      const address = { vertexIndex: vertex.index, subtaskIndex }
      const ofChannels = channels.get(subtaskKeyOf(address)) ?? []
      const ofChain = chained.get(subtaskKeyOf(address)) ?? []
      if (stored.length === 0 && ofChannels.length === 0 && ofChain.length === 0) continue
      subtasks[subtaskKeyOf(address)] = {
        checkpointId: metadata.checkpointId,
        directory: options.directory,
        operators: Object.fromEntries(
          stored.map((operator) => [operator.operatorId, restoreOf(operator, vertex, subtaskIndex)]),
        ),
        channels: ofChannels,
        ...(ofChain.length > 0 && { chained: ofChain }),
        ended: stored.length > 0 && stored.every((operator) => hasEnded(operator, vertex, subtaskIndex)),
      }
    }
  }
  return { subtasks, splitPools, dropped }
}

// --- what must fit ---

function findUnclaimed(metadata: CheckpointMetadata, plan: CheckpointPlan, isAllowed: boolean): string[] {
  const claimed = new Set(plan.vertices.flatMap(({ operators }) => operators.map(({ operatorId }) => operatorId)))
  const unclaimed = metadata.operators.filter((operator) => !claimed.has(operator.operatorId) && holdsState(operator))
  const names = unclaimed.map(
    ({ name, uid, operatorId }) => `${name} (${uid === undefined ? `id ${operatorId}` : `uid ${uid}`})`,
  )
  if (names.length === 0 || isAllowed) return names
  throw incompatible(
    `checkpoint ${metadata.checkpointId} of job ${JSON.stringify(metadata.jobName)} holds state of ${names.join(', ')}, which the program does not have; give operators a uid, or drop that state with --allow-non-restored-state`,
  )
}

function holdsState(operator: OperatorMetadata): boolean {
  return (
    (operator.unassignedSplits?.length ?? 0) > 0 ||
    operator.subtasks.some(
      (one) =>
        (one?.keyed?.length ?? 0) > 0 ||
        (one?.splits?.length ?? 0) > 0 ||
        (one?.writerStates?.length ?? 0) > 0 ||
        (one?.committables?.length ?? 0) > 0 ||
        Object.values(one?.operatorState?.lists ?? {}).some(({ items }) => items.length > 0),
    )
  )
}

function checkParallelism(operator: OperatorMetadata, vertex: PlannedVertex): void {
  if (!operator.subtasks.some((one) => (one?.keyed?.length ?? 0) > 0)) return
  if (operator.maxParallelism === vertex.maxParallelism) return
  const advice =
    vertex.parallelism > operator.maxParallelism
      ? `its parallelism ${vertex.parallelism} is beyond that`
      : `set pipeline.max-parallelism or setMaxParallelism(${operator.maxParallelism})`
  throw incompatible(
    `the keyed state of ${operator.name} has max parallelism ${operator.maxParallelism}, the program's operator ${vertex.maxParallelism}: ${advice}`,
  )
}

// --- operators ---

function restoreOf(operator: OperatorMetadata, vertex: PlannedVertex, subtaskIndex: number): OperatorRestore {
  const { parallelism, maxParallelism } = vertex
  const range = keyGroupRangeOf(subtaskIndex, parallelism, maxParallelism)
  const isSame = operator.parallelism === parallelism
  const keyed = operator.subtasks.filter((_, index) => isSame || !isDropped(operator, index))
  const deal = <T>(of: (snapshot: OperatorSnapshot) => readonly T[] | undefined): T[] => {
    if (isSame) return [...((operator.subtasks[subtaskIndex] && of(operator.subtasks[subtaskIndex])) ?? [])]
    const all = operator.subtasks.flatMap((one) => (one === undefined ? [] : (of(one) ?? [])))
    return all.filter((_, index) => index % parallelism === subtaskIndex)
  }
  return {
    keyed: keyed.flatMap((one) => one?.keyed ?? []).filter((handle) => intersects(handle, range)),
    operatorState: operatorStateOf(operator, subtaskIndex, parallelism),
    splits: deal(({ splits }) => splits),
    writerStates: deal(({ writerStates }) => writerStates),
    committables: deal(({ committables }) => committables),
  }
}

const intersects = ({ keyGroupRange }: KeyedStateHandle, { first, last }: KeyGroupRange): boolean =>
  keyGroupRange.first <= last && keyGroupRange.last >= first

/**
 * Whether a new subtask counts as having ended. At another parallelism only where all have: otherwise the new ones run,
 * and keyed state of subtasks that had given their last results is left behind.
 */
function hasEnded(operator: OperatorMetadata, vertex: PlannedVertex, subtaskIndex: number): boolean {
  if (operator.parallelism === vertex.parallelism) return operator.ended[subtaskIndex] === true
  return operator.ended.every(Boolean)
}

const isDropped = (operator: OperatorMetadata, subtaskIndex: number): boolean =>
  operator.ended[subtaskIndex] === true && !operator.ended.every(Boolean)

function operatorStateOf(
  operator: OperatorMetadata,
  subtaskIndex: number,
  parallelism: number,
): OperatorStateSnapshot | undefined {
  const isSame = operator.parallelism === parallelism
  const parts = operator.subtasks.map((one) => one?.operatorState?.lists ?? {})
  const names = new Set(parts.flatMap((lists) => Object.keys(lists)))
  if (names.size === 0) return undefined
  const lists: Record<string, OperatorStateSnapshot['lists'][string]> = {}
  for (const name of names) {
    const known = parts.find((part) => part[name] !== undefined)![name]!
    const itemsOf = (subtask: number): readonly Uint8Array[] => parts[subtask]?.[name]?.items ?? []
    const all = parts.flatMap((_, subtask) => itemsOf(subtask))
    const dealt = (): readonly Uint8Array[] => {
      if (known.mode === 'union') return all
      // Every subtask held the same but for what was in flight to it; new ones take over from those there were, in turn.
      if (known.mode === 'broadcast') return itemsOf(subtaskIndex % operator.parallelism)
      return isSame ? itemsOf(subtaskIndex) : all.filter((_, index) => index % parallelism === subtaskIndex)
    }
    lists[name] = { ...known, items: dealt() }
  }
  return { lists }
}

// --- channels ---

/** By `vertexIndex:subtaskIndex`. */
interface AssignedChannels {
  readonly channels: ReadonlyMap<string, ChannelRestore[]>
  readonly chained: ReadonlyMap<string, ChainedRestore[]>
}

function assignChannels(
  metadata: CheckpointMetadata,
  plan: CheckpointPlan,
  isDroppingAllowed: boolean,
): AssignedChannels {
  const found = new Map<string, ChannelRestore[]>()
  const chained = new Map<string, ChainedRestore[]>()
  for (const stored of metadata.edges) {
    if (stored.channels.length === 0) continue
    const edgeIndex = plan.edges.findIndex((edge) => isSameEdge(edge, stored))
    const edge = plan.edges[edgeIndex]
    const inChain = edge === undefined && plan.chainedEdges?.find((one) => isSameEdge(one, stored))
    if (inChain) {
      assignChained(stored, inChain, plan, chained)
      continue
    }
    if (edge === undefined) {
      if (isDroppingAllowed) continue
      throw incompatible(
        `checkpoint ${metadata.checkpointId} holds records in flight on an edge that the program does not have; resume the old program and take a savepoint, or drop them with --allow-non-restored-state`,
      )
    }
    const target = targetOf(edge, plan)
    for (let subtaskIndex = 0; subtaskIndex < edge.targetParallelism; subtaskIndex++) {
      const key = subtaskKeyOf({ vertexIndex: target?.index ?? -1, subtaskIndex })
      found.set(key, [...(found.get(key) ?? []), ...channelsOf(stored, edge, edgeIndex, subtaskIndex)])
    }
  }
  return { channels: found, chained }
}

/** A chain has no partitioner: where it has several subtasks the edge is forward, and any of them may take the records. */
function assignChained(
  stored: EdgeMetadata,
  edge: PlannedEdge,
  plan: CheckpointPlan,
  chained: Map<string, ChainedRestore[]>,
): void {
  const vertexIndex = targetOf(edge, plan)?.index ?? -1
  for (let subtaskIndex = 0; subtaskIndex < edge.targetParallelism; subtaskIndex++) {
    const mine = stored.channels.filter((channel) => channel.targetSubtask % edge.targetParallelism === subtaskIndex)
    if (mine.length === 0) continue
    const key = subtaskKeyOf({ vertexIndex, subtaskIndex })
    const files = mine.toSorted(inOrder).map(({ file }) => file)
    chained.set(key, [...(chained.get(key) ?? []), { targetOperatorId: edge.targetOperatorId, files }])
  }
}

function targetOf(edge: PlannedEdge, plan: CheckpointPlan): PlannedVertex | undefined {
  return plan.vertices.find(({ operators }) => operators.some(({ operatorId }) => operatorId === edge.targetOperatorId))
}

const isSameEdge = (edge: PlannedEdge, stored: EdgeMetadata): boolean =>
  edge.sourceOperatorId === stored.sourceOperatorId &&
  edge.targetOperatorId === stored.targetOperatorId &&
  edge.inputIndex === stored.inputIndex &&
  edge.sideOutput === stored.sideOutput

/**
 * For each producer the files that one consumer starts with: what the reader held before what the writer held. On a
 * broadcast edge copies of consumers that are no more are left behind.
 */
function channelsOf(
  stored: EdgeMetadata,
  edge: PlannedEdge,
  edgeIndex: number,
  targetSubtask: number,
): ChannelRestore[] {
  const isSame = stored.targetParallelism === edge.targetParallelism
  const isKeyed = edge.partitioning === 'hash' || edge.partitioning === 'custom'
  const select = isKeyed && !isSame ? 'mine' : 'all'
  const mine = stored.channels.filter((channel) => {
    if (isSame) return channel.targetSubtask === targetSubtask
    // Each consumer has copies of its own: it goes on with those of the subtask whose broadcast state it has.
    if (edge.partitioning === 'broadcast') return channel.targetSubtask === targetSubtask % stored.targetParallelism
    return isKeyed || channel.targetSubtask % edge.targetParallelism === targetSubtask
  })
  const bySource = new Map<number, EdgeMetadata['channels'][number][]>()
  for (const channel of mine) {
    const sourceSubtask = sourceFor(edge, channel.sourceSubtask, targetSubtask)
    bySource.set(sourceSubtask, [...(bySource.get(sourceSubtask) ?? []), channel])
  }
  return [...bySource].map(([sourceSubtask, channels]) => ({
    edgeIndex,
    sourceSubtask,
    files: channels.toSorted(inOrder).map(({ file }) => file),
    select,
  }))
}

/** A channel that the consumer has: of a producer that is gone another one stands in. */
function sourceFor(edge: PlannedEdge, sourceSubtask: number, targetSubtask: number): number {
  if (edge.partitioning === 'forward') return targetSubtask
  if (edge.partitioning !== 'rescale') return sourceSubtask % edge.sourceParallelism
  const { sourceParallelism: sources, targetParallelism: targets } = edge
  const first =
    sources >= targets
      ? Math.ceil((targetSubtask * sources) / targets)
      : Math.floor((targetSubtask * sources) / targets)
  const last = sources >= targets ? Math.ceil(((targetSubtask + 1) * sources) / targets) - 1 : first
  return first + (sourceSubtask % (last - first + 1))
}

/** By old producer and consumer; of one channel the input side first. */
function inOrder(a: EdgeMetadata['channels'][number], b: EdgeMetadata['channels'][number]): number {
  return (
    a.sourceSubtask - b.sourceSubtask ||
    a.targetSubtask - b.targetSubtask ||
    (a.side === b.side ? 0 : a.side === 'input' ? -1 : 1)
  )
}

const incompatible = (message: string): MillraceError => new MillraceError('MR_CHECKPOINT_INCOMPATIBLE', message)
