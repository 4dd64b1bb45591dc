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

}  // namespace millrace
