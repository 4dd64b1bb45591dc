// Memory that all databases of the process share: one block cache and one write-buffer budget charged to it.
// Made by the first caller; later callers may only enlarge it. Never destroyed: databases of dying threads may still
// hold it while the process exits.
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

SharedMemory sharedMemory(size_t blockCacheBytes, size_t writeBufferBytes);

// Has large blocks of memory go back to the system when they are freed. By itself glibc soon keeps blocks of up to 32 MB
// on its heaps, where blocks of the cache then lie between them: 100 to 250 MB beyond what is in use, as measured with
// 20 M keys. Of the process.
void returnLargeBlocks();

}  // namespace millrace
