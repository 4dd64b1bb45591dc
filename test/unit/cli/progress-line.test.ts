import { expect, it } from 'vitest'
import { ProgressLine, progressText } from '../../../src/cli/progress-line.ts'
import { bytes, count, duration } from '../../../src/cli/units.ts'
import type { ProgressReport, VertexReport } from '../../../src/coordinator/job-execution.ts'

const vertex: VertexReport = {
  id: 'a',
  name: 'Source: lines',
  parallelism: 2,
  finishedSubtasks: 0,
  isSource: true,
  recordsIn: 0,
  recordsOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  busyMsPerSecond: 0,
  idleMsPerSecond: 0,
  backPressuredMsPerSecond: 0,
}
const report = (elapsedMs: number, changes: Partial<VertexReport>): ProgressReport => ({
  jobName: 'word-count',
  jobId: 'b',
  status: 'RUNNING',
  elapsedMs,
  vertices: [{ ...vertex, ...changes }],
  accumulators: {},
})

it('shows rate since the last report, backpressure, and the time left where the input is bounded', () => {
  const earlier = report(1_000, { recordsIn: 1_000_000 })
  const later = report(2_000, {
    recordsIn: 4_500_000,
    backPressuredMsPerSecond: 250,
    source: { doneBytes: 40, totalBytes: 100 },
  })
  expect(progressText(later, earlier)).toBe(
    'word-count RUNNING 2.00 s · 4.50 M records · 3.50 M/s · backpressure 25 % · 40 %, 3.00 s left',
  )
  expect(progressText(report(500, { recordsIn: 10 }), undefined)).toBe(
    'word-count RUNNING 500 ms · 10 records · 20/s · backpressure 0 %',
  )
})

it('says where a source delivers at most once', () => {
  expect(progressText(report(500, { delivery: 'at-most-once' }), undefined)).toBe(
    'word-count RUNNING 500 ms · 0 records · 0/s · backpressure 0 % · at most once',
  )
})

it('redraws one line, cut to the terminal, and clears it', () => {
  let written = ''
  const line = new ProgressLine({ columns: 20, write: (text) => (written += text) })
  line.clear()
  expect(written).toBe('')
  line.show(report(500, {}))
  line.clear()
  expect(written).toBe('\rword-count RUNNING \x1b[K\r\x1b[K')
})

it('prints numbers as people read them', () => {
  expect([0, 999, 1_234, 12_345_678].map(count)).toEqual(['0', '999', '1.23 k', '12.3 M'])
  expect([512, 1_536, 3 * 2 ** 30].map(bytes)).toEqual(['512 B', '1.50 KiB', '3.00 GiB'])
  expect([5, 1_234, 83_000, 7_260_000].map(duration)).toEqual(['5 ms', '1.23 s', '1 min 23 s', '2 h 1 min'])
})
