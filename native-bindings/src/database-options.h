// The options every database is opened with, and why.
#pragma once

#include <rocksdb/options.h>

#include <cstddef>
#include <string>

namespace millrace {

struct OpenSettings {
  size_t blockCacheBytes = 0;   // of the process, shared
  size_t writeBufferBytes = 0;  // of the process, shared
  std::string compression;      // none | lz4 | zstd
  bool mmapReads = false;
};

rocksdb::Options makeOptions(const OpenSettings& settings);

// For table files that are written to be ingested into a database of these options: small and asked by every look-up
// until they are merged, so that index and filter are whole. A filter in partitions takes three times as long.
rocksdb::Options spillOptions(const rocksdb::Options& options);

}  // namespace millrace
