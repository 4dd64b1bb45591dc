/** All records of a key in one window, which never ends: only a trigger makes it emit. */
import { endOfStreamTrigger } from '../triggers/end-of-stream-trigger.ts'
import { neverTrigger } from '../triggers/never-trigger.ts'
import { type GlobalWindow, globalWindow } from '../window.ts'
import type { WindowAssigner, WindowCodec } from '../window-assigner.ts'

const codec: WindowCodec<GlobalWindow> = { encode: () => 0, decode: () => globalWindow }
const only = [globalWindow]

/** Fires only by the trigger that the program sets. */
export function globalWindows<T>(): WindowAssigner<T, GlobalWindow> {
  return {
    name: 'GlobalWindows()',
    isEventTime: false,
    codec,
    assignWindows: () => only,
    defaultTrigger: () => neverTrigger<T>(),
  }
}

/** Fires once, when the input has ended. */
export function endOfStreamWindows<T>(): WindowAssigner<T, GlobalWindow> {
  return { ...globalWindows<T>(), name: 'GlobalWindows(end of stream)', defaultTrigger: () => endOfStreamTrigger<T>() }
}
