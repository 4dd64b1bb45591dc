#include "shared-memory.h"

#include <malloc.h>

#include <mutex>

namespace millrace {

namespace {
// Two bits: four shards. More and smaller shards collapse once index and filter blocks live in the cache.
constexpr int kCacheShardBits = 2;
constexpr int kLargeBlockBytes = 1 << 20;

std::mutex guard;
SharedMemory* shared = nullptr;
}  // namespace

SharedMemory sharedMemory(size_t blockCacheBytes, size_t writeBufferBytes) {
  std::lock_guard<std::mutex> lock(guard);
  if (shared == nullptr) {
    shared = new SharedMemory();
    shared->blockCache = rocksdb::NewLRUCache(blockCacheBytes, kCacheShardBits);
    shared->writeBuffers = std::make_shared<rocksdb::WriteBufferManager>(writeBufferBytes, shared->blockCache);
  }
  if (shared->blockCache->GetCapacity() < blockCacheBytes) shared->blockCache->SetCapacity(blockCacheBytes);
  if (shared->writeBuffers->buffer_size() < writeBufferBytes) shared->writeBuffers->SetBufferSize(writeBufferBytes);
  return *shared;
}

void returnLargeBlocks() {
#ifdef __GLIBC__
  (void)mallopt(M_MMAP_THRESHOLD, kLargeBlockBytes);
  (void)mallopt(M_TRIM_THRESHOLD, kLargeBlockBytes);
#endif
}

}  // namespace millrace
