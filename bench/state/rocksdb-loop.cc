// The loop that the rocksdb backend is measured against: get and put of 8-byte counters, one by one, over the same
// library with the same table options, through RocksDB's own memtable, without a log.
//
// Usage: rocksdb-loop DIRECTORY KEYS BLOCK_CACHE_BYTES MEMTABLE_BYTES, then one line on stdin per run: the path of a file
// of u32 numbers of keys. Answers a line each: `ready`, then `SUM CPU_SECONDS`, the sum of all counters after their
// increment and the thread's processor time.
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace {

constexpr uint32_t kKeyGroups = 128;
constexpr size_t kKeyBytes = 10;

uint32_t mix(uint32_t h) {
  h = (h ^ (h >> 16)) * 0x85ebca6bu;
  h = (h ^ (h >> 13)) * 0xc2b2ae35u;
  return h ^ (h >> 16);
}

// As the backend's keys: key group (2), state (2), namespace (1), class (1), int32 (4).
void writeKey(uint32_t id, char* key) {
  const uint32_t group = mix(id) % kKeyGroups;
  key[0] = static_cast<char>(group >> 8);
  key[1] = static_cast<char>(group);
  std::memset(key + 2, 0, 4);
  std::memcpy(key + 6, &id, 4);
}

void check(const rocksdb::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

void fill(rocksdb::DB* db, const rocksdb::Options& options, uint32_t count, const std::string& path) {
  std::vector<std::string> keys(count);
  char key[kKeyBytes];
  for (uint32_t id = 0; id < count; id++) {
    writeKey(id, key);
    keys[id].assign(key, kKeyBytes);
  }
  std::sort(keys.begin(), keys.end());
  const double zero = 0;
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options);
  check(writer.Open(path));
  for (const std::string& each : keys) {
    check(writer.Put(each, rocksdb::Slice(reinterpret_cast<const char*>(&zero), sizeof zero)));
  }
  check(writer.Finish());
  rocksdb::IngestExternalFileOptions ingest;
  ingest.move_files = true;
  check(db->IngestExternalFile({path}, ingest));
}

double cpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::vector<uint32_t> readIds(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::vector<uint32_t> ids(static_cast<size_t>(file.tellg()) / 4);
  file.seekg(0);
  file.read(reinterpret_cast<char*>(ids.data()), static_cast<std::streamsize>(ids.size() * 4));
  return ids;
}

double run(rocksdb::DB* db, const std::vector<uint32_t>& ids) {
  rocksdb::WriteOptions write;
  write.disableWAL = true;
  const rocksdb::ReadOptions read;
  std::string value;
  char key[kKeyBytes];
  double sum = 0;
  for (const uint32_t id : ids) {
    writeKey(id, key);
    double counter = 0;
    if (db->Get(read, rocksdb::Slice(key, kKeyBytes), &value).ok()) std::memcpy(&counter, value.data(), 8);
    counter += 1;
    sum += counter;
    check(db->Put(write, rocksdb::Slice(key, kKeyBytes),
                  rocksdb::Slice(reinterpret_cast<const char*>(&counter), sizeof counter)));
  }
  return sum;
}

}  // namespace

int main(int, char** arguments) {
  const std::string directory = arguments[1];
  const uint32_t keys = static_cast<uint32_t>(std::atoll(arguments[2]));
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(static_cast<size_t>(std::atoll(arguments[3])), 2);
  table.block_size = 4096;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = rocksdb::kNoCompression;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = static_cast<size_t>(std::atoll(arguments[4])) / 2;
  options.max_write_buffer_number = 2;
  options.compaction_style = rocksdb::kCompactionStyleUniversal;
  options.level0_file_num_compaction_trigger = 8;
  options.max_background_jobs = 2;
  options.max_open_files = -1;
  rocksdb::DB* db = nullptr;
  check(rocksdb::DB::Open(options, directory, &db));
  fill(db, options, keys, directory + "/fill.tmp");
  std::cout << "ready" << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
    const std::vector<uint32_t> ids = readIds(line);
    const double before = cpuSeconds();
    const double sum = run(db, ids);
    std::printf("%.0f %.6f\n", sum, cpuSeconds() - before);
    std::fflush(stdout);
  }
  delete db;
  return 0;
}
