// Memory that all databases of the process share: one block cache and one write-buffer budget charged to it.
// Made by the first caller. The cache is as large as the shares of all threads that have opened a database; a thread's
// share is the largest that it has asked for, and goes with the thread. Never destroyed: databases of dying threads may
// still hold it while the process exits.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/write_buffer_manager.h>

#include <cstddef>
#include <memory>

namespace millrace {

struct SharedMemory {
  std::shared_ptr<rocksdb::Cache> blockCache;
  std::shared_ptr<rocksdb::WriteBufferManager> writeBuffers;
};

// `blockCacheBytes`: the calling thread's share.
SharedMemory sharedMemory(size_t blockCacheBytes, size_t writeBufferBytes);

// Has large blocks of memory go back to the system when they are freed. By itself glibc soon keeps blocks of up to 32 MB
// on its heaps, where blocks of the cache then lie between them: 100 to 250 MB beyond what is in use, as measured with
// 20 M keys. Of the process.
void returnLargeBlocks();

// Gives whole free pages of the heaps back to the system: about a millisecond, of which each heap is locked for a part.
// Threads have heaps of their own, and what another thread's blocks leave free is of no use to the one that reads:
// without this, 200 MB were held beside a cache of 256.
void returnFreeMemory();
// Keys were read: after many, blocks have taken one another's place in the cache, and memory is returned on a thread of
// RocksDB's.
void noteReads(size_t keys);

}  // namespace millrace
