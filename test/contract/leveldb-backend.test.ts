import { openLeveldbBackend } from '../../src/state/leveldb/leveldb-backend.ts'
import { keyedStateBackendContract } from './keyed-state-backend.ts'

const propertyRuns = process.env['MILLRACE_FULL'] === '1' ? 300 : 6
const options = { refusesOverBudget: false, isIncremental: false, propertyRuns }

keyedStateBackendContract('leveldb', (given) => openLeveldbBackend(given), options)
keyedStateBackendContract(
  'leveldb (that spills all the time)',
  (given) => openLeveldbBackend({ ...given, frontBytesMax: 1 }),
  options,
)
