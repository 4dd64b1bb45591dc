/** Takes everything and keeps nothing: for benches, and for programs that work through side effects. */
import { Progress } from '../common/progress.ts'
import type { Sink, SinkWriter } from './sink.ts'

/** @example words.sinkTo(discard()) */
export function discard<T>(): Sink<T, never, never> {
  return { name: 'discard', createWriter: () => new DiscardWriter() }
}

class DiscardWriter implements SinkWriter<unknown, never, never> {
  write(): void {}

  flush(): Progress {
    return Progress.Done
  }
}
