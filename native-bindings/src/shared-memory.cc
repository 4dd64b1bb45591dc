#include "shared-memory.h"

#include <malloc.h>
#include <rocksdb/env.h>

#include <atomic>
#include <mutex>

namespace millrace {

namespace {
// Two bits: four shards. More and smaller shards collapse once index and filter blocks live in the cache.
constexpr int kCacheShardBits = 2;
// Of the cache, for indexes and filters before data.
constexpr double kIndexShare = 0.8;
constexpr int kLargeBlockBytes = 1 << 20;
constexpr size_t kReadsPerReturn = 128 * 1024;

std::atomic<size_t> readsSinceReturn{0};
std::mutex guard;
SharedMemory* shared = nullptr;
// Of all threads that have opened a database and still run.
size_t cacheBytes = 0;

// What a thread adds to the cache, until it ends.
struct CacheShare {
  size_t bytes = 0;
  ~CacheShare() {
    if (bytes > 0) set(0);
  }
  void set(size_t wanted) {
    std::lock_guard<std::mutex> lock(guard);
    cacheBytes += wanted - bytes;
    bytes = wanted;
    // The last thread's share stays: databases may still be closing.
    if (cacheBytes > 0) shared->blockCache->SetCapacity(cacheBytes);
  }
};
thread_local CacheShare cacheShare;

void makeShared(size_t blockCacheBytes, size_t writeBufferBytes) {
  std::lock_guard<std::mutex> lock(guard);
  if (shared == nullptr) {
    shared = new SharedMemory();
    shared->blockCache = rocksdb::NewLRUCache(blockCacheBytes, kCacheShardBits, false, kIndexShare);
    shared->writeBuffers = std::make_shared<rocksdb::WriteBufferManager>(writeBufferBytes, shared->blockCache);
  }
  if (shared->writeBuffers->buffer_size() < writeBufferBytes) shared->writeBuffers->SetBufferSize(writeBufferBytes);
}
}  // namespace

SharedMemory sharedMemory(size_t blockCacheBytes, size_t writeBufferBytes) {
  makeShared(blockCacheBytes, writeBufferBytes);
  if (cacheShare.bytes < blockCacheBytes) cacheShare.set(blockCacheBytes);
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
