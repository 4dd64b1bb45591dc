#include "shared-memory.h"

#include <malloc.h>
#include <rocksdb/env.h>

#include <atomic>
#include <mutex>

namespace millrace {

namespace {
// Two bits: four shards. More and smaller shards collapse once index and filter blocks live in the cache.
constexpr int kCacheShardBits = 2;
constexpr int kLargeBlockBytes = 1 << 20;
constexpr size_t kReadsPerReturn = 128 * 1024;

std::atomic<size_t> readsSinceReturn{0};
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

void returnFreeMemory() {
#ifdef __GLIBC__
  (void)malloc_trim(0);
#endif
}

void noteReads(size_t keys) {
  if (readsSinceReturn.fetch_add(keys, std::memory_order_relaxed) + keys < kReadsPerReturn) return;
  readsSinceReturn.store(0, std::memory_order_relaxed);
  rocksdb::Env::Default()->Schedule([](void*) { returnFreeMemory(); }, nullptr, rocksdb::Env::Priority::HIGH);
}

}  // namespace millrace
