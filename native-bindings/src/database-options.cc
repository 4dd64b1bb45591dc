#include "database-options.h"

#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <thread>

#include "shared-memory.h"

namespace millrace {

namespace {

constexpr double kBloomBitsPerKey = 10;
constexpr size_t kBlockBytes = 4096;
// Of indexes and filters. A look-up meets one of each in every sorted run: small ones are many, and far apart in memory;
// large ones are dear where the cache does not hold them.
constexpr size_t kPartitionBytes = 64 * 1024;
// Sorted runs before a compaction: fewer cost writes, more cost reads.
constexpr int kSortedRunsMax = 8;
// While one thread merges what is large, which takes minutes, another has to keep down what has come since.
constexpr int kCompactionsMin = 2;
constexpr int kCompactionsMax = 4;

rocksdb::CompressionType compressionOf(const std::string& name) {
  if (name == "lz4") return rocksdb::kLZ4Compression;
  if (name == "zstd") return rocksdb::kZSTD;
  return rocksdb::kNoCompression;
}

rocksdb::BlockBasedTableOptions tableOptions(const SharedMemory& memory) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = memory.blockCache;
  table.block_size = kBlockBytes;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  table.format_version = 5;
  // Indexes and filters (1.5 bytes a key) are charged to the cache, and in partitions: what is not asked for may go.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.metadata_block_size = kPartitionBytes;
  table.metadata_cache_options.top_level_index_pinning = rocksdb::PinningTier::kAll;
  // What compactions and open tables need beside the cache takes the place of blocks in it.
  const rocksdb::CacheEntryRoleOptions charged{rocksdb::CacheEntryRoleOptions::Decision::kEnabled};
  table.cache_usage_options.options_overrides = {
      {rocksdb::CacheEntryRole::kFilterConstruction, charged},
      {rocksdb::CacheEntryRole::kBlockBasedTableReader, charged},
      {rocksdb::CacheEntryRole::kFileMetadata, charged},
  };
  return table;
}

}  // namespace

rocksdb::Options makeOptions(const OpenSettings& settings) {
  const SharedMemory memory = sharedMemory(settings.blockCacheBytes, settings.writeBufferBytes);
  rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = compressionOf(settings.compression);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(tableOptions(memory)));
  options.write_buffer_manager = memory.writeBuffers;
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  options.max_background_jobs = 1 + std::clamp(cores, kCompactionsMin, kCompactionsMax);  // one of them flushes
  options.max_open_files = -1;  // table readers stay open: no table cache look-up per read
  options.allow_mmap_reads = settings.mmapReads;

  options.compaction_style = rocksdb::kCompactionStyleUniversal;
  options.level0_file_num_compaction_trigger = kSortedRunsMax;
  options.compaction_options_universal.max_size_amplification_percent = 200;
  // Ingested files never stall: the spilling side waits for its own work.
  options.level0_slowdown_writes_trigger = 1 << 20;
  options.level0_stop_writes_trigger = 1 << 20;

  options.info_log_level = rocksdb::InfoLogLevel::ERROR_LEVEL;
  options.keep_log_file_num = 1;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  // Durability comes from checkpoints: nothing here needs to survive a power cut.
  options.avoid_flush_during_shutdown = true;
  options.use_fsync = false;
  return options;
}

rocksdb::Options spillOptions(const rocksdb::Options& options) {
  rocksdb::BlockBasedTableOptions table = *options.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>();
  table.index_type = rocksdb::BlockBasedTableOptions::kBinarySearch;
  table.partition_filters = false;
  // The tables in front have charged for it.
  table.cache_usage_options.options_overrides.erase(rocksdb::CacheEntryRole::kFilterConstruction);
  rocksdb::Options spill = options;
  spill.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return spill;
}

}  // namespace millrace
