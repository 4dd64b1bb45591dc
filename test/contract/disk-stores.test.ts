import { rocksdbUnavailable } from '../../src/state/rocksdb/binding.ts'
import { RocksdbStore } from '../../src/state/rocksdb/rocksdb-store.ts'
import { LeveldbStore } from '../../src/state/leveldb/leveldb-store.ts'
import { diskStoreContract } from './disk-store.ts'

diskStoreContract('leveldb', (directory) => new LeveldbStore(directory, {}))
const reason = rocksdbUnavailable()
if (reason === undefined) {
  diskStoreContract('rocksdb', (directory) => new RocksdbStore(directory, {}))
  diskStoreContract(
    'rocksdb (partitioned filters, mapped files, compressed)',
    (directory) => new RocksdbStore(directory, { mmapReads: true, compression: 'lz4' }),
  )
} else console.error(`skipped for rocksdb: ${reason}`)
