import { describe, it } from 'vitest'
import { rocksdbUnavailable } from '../../src/state/rocksdb/binding.ts'
import { openRocksdbBackend } from '../../src/state/rocksdb/rocksdb-backend.ts'
import { keyedStateBackendContract } from './keyed-state-backend.ts'

const reason = rocksdbUnavailable()
const propertyRuns = process.env['MILLRACE_FULL'] === '1' ? 300 : 8

if (reason !== undefined) {
  console.error(`skipped: ${reason}`)
  describe.skip('keyed state backend rocksdb', () => it('needs its binding', () => {}))
} else {
  const options = { refusesOverBudget: false, propertyRuns }
  keyedStateBackendContract('rocksdb', (given) => openRocksdbBackend(given), options)
  keyedStateBackendContract(
    'rocksdb (that spills all the time)',
    (given) => openRocksdbBackend({ ...given, frontBytesMax: 1 }),
    { ...options, isIncremental: false },
  )
}
