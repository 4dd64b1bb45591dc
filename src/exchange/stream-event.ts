/** Events that travel in band with the records of a channel, in order. Plain data. */
export interface CheckpointBarrier {
  readonly checkpointId: number
  readonly timestampMs: number
  readonly kind: 'checkpoint' | 'savepoint' | 'stop-drain' | 'stop-suspend' | 'final'
  /** Whether alignment is needed, and after how long an aligned barrier may overtake (`Infinity`: never). */
  readonly mode: 'aligned' | 'unaligned' | 'at-least-once'
  readonly alignTimeoutMs: number
}

export type StreamEvent =
  | { readonly type: 'watermark'; readonly timestampMs: number }
  | { readonly type: 'status'; readonly isIdle: boolean }
  | { readonly type: 'barrier'; readonly barrier: CheckpointBarrier }
  | { readonly type: 'latency'; readonly markedMs: number; readonly operatorId: string; readonly subtaskIndex: number }
  | { readonly type: 'endOfInput' }
