/** INTERIM: operator state that refuses to be used; the state's owner replaces this file. */
import { MillraceError } from '../common/errors.ts'
import type { OperatorStateSnapshot, OperatorStateStore } from './operator-state.ts'

const refuse = (): never => {
  throw new MillraceError('MR_INTERNAL', 'operator state is not there yet')
}

export class HeapOperatorState implements OperatorStateStore {
  listState: () => never = refuse
  unionListState: () => never = refuse
  broadcastState: () => never = refuse
  snapshot(): OperatorStateSnapshot | undefined {
    return undefined
  }
  restore(_snapshot: OperatorStateSnapshot): void {}
}
