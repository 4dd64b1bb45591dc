#include "table-writer.h"

#include <rocksdb/env.h>

#include <algorithm>
#include <cstring>

namespace millrace {

namespace {

constexpr uint64_t kPollEvery = 1024;

// Where an entry stands, with what nearly always decides its order: 16 bytes, since millions of them are sorted at once.
struct Point {
  uint64_t prefix;
  uint32_t buffer;
  uint32_t offset;
};

struct Range {
  rocksdb::Slice begin, end;
};

constexpr size_t kKeyGroupBytes = 2;
constexpr size_t kPrefetchedEntries = 8;

class Entries {
 public:
  explicit Entries(const std::vector<PackedReader>& buffers) : buffers_(buffers) {}

  rocksdb::Status collect() {
    size_t count = 0;
    rocksdb::Status status = walk([&](const PackedEntry& entry, uint32_t, uint32_t) {
      if (entry.range) {
        ranges.push_back(Range{entry.key, entry.value});
      } else if (count++ == 0) {
        common_ = entry.key;
        if (common_.size() < kKeyGroupBytes) common_.clear();
        else common_.remove_prefix(kKeyGroupBytes);
      } else {
        keepCommon(entry.key);
      }
    });
    if (!status.ok()) return status;
    points.reserve(count);
    return walk([&](const PackedEntry& entry, uint32_t buffer, uint32_t offset) {
      if (!entry.range) points.push_back(Point{prefixOf(entry.key), buffer, offset});
    });
  }

  void sort() {
    std::sort(points.begin(), points.end(), [this](const Point& a, const Point& b) {
      if (a.prefix != b.prefix) return a.prefix < b.prefix;
      const int order = at(a).key.compare(at(b).key);
      if (order != 0) return order < 0;
      return a.buffer != b.buffer ? a.buffer < b.buffer : a.offset < b.offset;
    });
  }

  PackedEntry at(const Point& point) const {
    PackedEntry entry;
    buffers_[point.buffer].at(point.offset).next(&entry);
    return entry;
  }
  void prefetch(const Point& point) const { __builtin_prefetch(buffers_[point.buffer].data() + point.offset); }

  std::vector<Point> points;
  std::vector<Range> ranges;

 private:
  template <typename Visit>
  rocksdb::Status walk(const Visit& visit) const {
    PackedEntry entry;
    for (uint32_t buffer = 0; buffer < buffers_.size(); buffer++) {
      PackedReader reader = buffers_[buffer];
      if (reader.bytesLeft() > UINT32_MAX) return rocksdb::Status::InvalidArgument("a buffer is too long");
      for (;;) {
        const uint32_t offset = static_cast<uint32_t>(reader.data() - buffers_[buffer].data());
        if (!reader.next(&entry)) break;
        visit(entry, buffer, offset);
      }
      if (reader.corrupt()) return rocksdb::Status::InvalidArgument("packed entries are cut");
    }
    return rocksdb::Status::OK();
  }

  void keepCommon(const rocksdb::Slice& key) {
    size_t length = 0;
    while (length < common_.size() && kKeyGroupBytes + length < key.size() &&
           key[kKeyGroupBytes + length] == common_[length]) {
      length++;
    }
    common_.remove_suffix(common_.size() - length);
  }

  // The key group, and what follows on the bytes that all keys have in common after it: those decide nothing.
  uint64_t prefixOf(const rocksdb::Slice& key) const {
    uint8_t bytes[8] = {0};
    const size_t head = std::min(key.size(), kKeyGroupBytes);
    std::memcpy(bytes, key.data(), head);
    const size_t start = head + common_.size();
    if (key.size() > start) std::memcpy(bytes + head, key.data() + start, std::min(key.size() - start, 8 - head));
    uint64_t prefix = 0;
    std::memcpy(&prefix, bytes, 8);
    return __builtin_bswap64(prefix);
  }

  const std::vector<PackedReader>& buffers_;
  rocksdb::Slice common_;
};

rocksdb::Status writePoints(const Database& database, const Entries& from, rocksdb::SstFileWriter* writer,
                            uint64_t* entries) {
  const std::vector<Point>& points = from.points;
  for (size_t index = 0; index < points.size(); index++) {
    if (index % kPollEvery == 0 && database.closing()) return closedStatus();
    if (index + kPrefetchedEntries < points.size()) from.prefetch(points[index + kPrefetchedEntries]);
    const PackedEntry entry = from.at(points[index]);
    const bool hasNext = index + 1 < points.size() && points[index + 1].prefix == points[index].prefix;
    if (hasNext && from.at(points[index + 1]).key == entry.key) continue;
    rocksdb::Status status = entry.tombstone ? writer->Delete(entry.key) : writer->Put(entry.key, entry.value);
    if (!status.ok()) return status;
    *entries += 1;
  }
  return rocksdb::Status::OK();
}

}  // namespace

rocksdb::EnvOptions tableEnvOptions() { return rocksdb::EnvOptions(); }

rocksdb::Status writeTable(const Database& database, const std::vector<PackedReader>& buffers,
                           const std::string& path, uint64_t* entries) {
  Entries from(buffers);
  rocksdb::Status status = from.collect();
  *entries = 0;
  if (!status.ok() || (from.points.empty() && from.ranges.empty())) return status;
  from.sort();

  rocksdb::SstFileWriter writer(tableEnvOptions(), database.options(), nullptr, false);
  status = writer.Open(path);
  if (status.ok()) status = writePoints(database, from, &writer, entries);
  // A range tombstone does not touch the points of its own file: they were written after it.
  for (size_t index = 0; status.ok() && index < from.ranges.size(); index++) {
    status = writer.DeleteRange(from.ranges[index].begin, from.ranges[index].end);
    *entries += 1;
  }
  if (status.ok()) status = writer.Finish();
  if (!status.ok()) (void)rocksdb::Env::Default()->DeleteFile(path);
  return status;
}

rocksdb::Status ingestTables(Database* database, const std::vector<std::string>& paths) {
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  options.snapshot_consistency = false;
  options.write_global_seqno = false;  // the file must stay as it was written: checkpoints link it
  options.verify_file_checksum = false;
  return database->db()->IngestExternalFile(paths, options);
}

}  // namespace millrace
