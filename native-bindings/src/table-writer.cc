#include "table-writer.h"

#include <rocksdb/env.h>

#include <algorithm>
#include <cstring>

#include "database-options.h"

namespace millrace {

namespace {

constexpr uint64_t kPollEvery = 1024;
constexpr size_t kKeyGroupBytes = 2;
constexpr size_t kPrefetchedEntries = 8;

struct Range {
  rocksdb::Slice begin, end;
};

// What nearly always decides the order of two keys: the key group, and what follows on the bytes that all keys have in
// common after it.
class Prefixes {
 public:
  void add(const rocksdb::Slice& key) {
    if (isEmpty_) {
      isEmpty_ = false;
      common_ = key;
      if (common_.size() < kKeyGroupBytes) common_.clear();
      else common_.remove_prefix(kKeyGroupBytes);
      return;
    }
    size_t length = 0;
    while (length < common_.size() && kKeyGroupBytes + length < key.size() &&
           key[kKeyGroupBytes + length] == common_[length]) {
      length++;
    }
    common_.remove_suffix(common_.size() - length);
  }

  uint64_t of(const rocksdb::Slice& key) const {
    uint8_t bytes[8] = {0};
    const size_t head = std::min(key.size(), kKeyGroupBytes);
    std::memcpy(bytes, key.data(), head);
    const size_t start = head + common_.size();
    if (key.size() > start) std::memcpy(bytes + head, key.data() + start, std::min(key.size() - start, 8 - head));
    uint64_t prefix = 0;
    std::memcpy(&prefix, bytes, 8);
    return __builtin_bswap64(prefix);
  }

 private:
  rocksdb::Slice common_;
  bool isEmpty_ = true;
};

// An entry of the buffer that is being sorted.
struct Point {
  uint64_t prefix;
  uint32_t offset;
};

// Stable, by prefix: one pass for each byte in which they differ. `scratch` is as long as `points`.
void sortByPrefix(std::vector<Point>* points, std::vector<Point>* scratch) {
  uint64_t same = ~uint64_t{0};
  const uint64_t first = points->empty() ? 0 : points->front().prefix;
  for (const Point& point : *points) same &= ~(point.prefix ^ first);
  for (int shift = 0; shift < 64; shift += 8) {
    if ((~same >> shift & 0xff) == 0) continue;
    uint32_t starts[257] = {0};
    for (const Point& point : *points) starts[(point.prefix >> shift & 0xff) + 1]++;
    for (int value = 0; value < 256; value++) starts[value + 1] += starts[value];
    for (const Point& point : *points) (*scratch)[starts[point.prefix >> shift & 0xff]++] = point;
    points->swap(*scratch);
  }
}

PackedEntry entryAt(const PackedReader& buffer, uint32_t offset) {
  PackedEntry entry;
  buffer.at(offset).next(&entry);
  return entry;
}

// What sorting one buffer after another needs.
struct Scratch {
  std::vector<Point> points, other;
};

// The entries of one buffer in the order of their keys, of equal ones the older first. Four bytes an entry are kept.
class SortedBuffer {
 public:
  SortedBuffer(const PackedReader& buffer, const Prefixes& prefixes, Scratch* scratch)
      : buffer_(buffer), prefixes_(&prefixes) {
    std::vector<Point>& points = scratch->points;
    points.clear();
    PackedReader reader = buffer;
    PackedEntry entry;
    for (;;) {
      const uint32_t offset = static_cast<uint32_t>(reader.data() - buffer.data());
      if (!reader.next(&entry)) break;
      if (!entry.range) points.push_back(Point{prefixes.of(entry.key), offset});
    }
    scratch->other.resize(points.size());
    sortByPrefix(&points, &scratch->other);
    sortEqualPrefixes(&points);
    offsets_.reserve(points.size());
    for (const Point& point : points) offsets_.push_back(point.offset);
  }

  // False at the end.
  bool advance() {
    if (next_ == offsets_.size()) return false;
    if (next_ + kPrefetchedEntries < offsets_.size()) {
      __builtin_prefetch(buffer_.data() + offsets_[next_ + kPrefetchedEntries]);
    }
    entry_ = entryAt(buffer_, offsets_[next_++]);
    return true;
  }
  const PackedEntry& entry() const { return entry_; }
  uint64_t prefix() const { return prefixes_->of(entry_.key); }

 private:
  void sortEqualPrefixes(std::vector<Point>* points) const {
    for (size_t begin = 0, end; begin < points->size(); begin = end) {
      const uint64_t prefix = (*points)[begin].prefix;
      for (end = begin + 1; end < points->size() && (*points)[end].prefix == prefix;) end++;
      if (end - begin == 1) continue;
      std::stable_sort(points->begin() + begin, points->begin() + end, [this](const Point& a, const Point& b) {
        return entryAt(buffer_, a.offset).key.compare(entryAt(buffer_, b.offset).key) < 0;
      });
    }
  }

  PackedReader buffer_;
  const Prefixes* prefixes_;
  std::vector<uint32_t> offsets_;
  size_t next_ = 0;
  PackedEntry entry_;
};

// The entries of all buffers in the order of their keys. Each buffer is sorted by itself, and then they are merged: that
// needs a quarter of the memory of sorting all entries at once, and stays in the processor's cache. The merge is a
// tournament: the winner's buffer goes on to its next entry, which meets on its way up those that have lost before.
class Entries {
 public:
  rocksdb::Status collect(const std::vector<PackedReader>& buffers) {
    for (const PackedReader& buffer : buffers) {
      if (buffer.bytesLeft() > UINT32_MAX) return rocksdb::Status::InvalidArgument("a buffer is too long");
      PackedReader reader = buffer;
      PackedEntry entry;
      while (reader.next(&entry)) {
        if (entry.range) ranges.push_back(Range{entry.key, entry.value});
        else prefixes_.add(entry.key);
      }
      if (reader.corrupt()) return rocksdb::Status::InvalidArgument("packed entries are cut");
    }
    Scratch scratch;
    sorted_.reserve(buffers.size());
    for (const PackedReader& buffer : buffers) sorted_.emplace_back(buffer, prefixes_, &scratch);
    begin();
    return rocksdb::Status::OK();
  }

  bool isEmpty() const { return winner_.buffer == kNone && ranges.empty(); }

  // The next entry, of equal keys the newest only; false at the end.
  bool next(PackedEntry* entry) {
    if (winner_.buffer == kNone) return false;
    const uint64_t prefix = winner_.prefix;
    do {
      *entry = sorted_[winner_.buffer].entry();
      replay();
    } while (winner_.prefix == prefix && winner_.buffer != kNone && sorted_[winner_.buffer].entry().key == entry->key);
    return true;
  }

  std::vector<Range> ranges;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  // A buffer's present entry; `kNone`: there is none, which is after all others.
  struct Player {
    uint64_t prefix = UINT64_MAX;
    uint32_t buffer = kNone;
  };

  // Of equal keys the one in a later buffer is newer, and comes later.
  bool isBefore(const Player& a, const Player& b) const {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    if (a.buffer == kNone || b.buffer == kNone) return a.buffer < b.buffer;
    const int order = sorted_[a.buffer].entry().key.compare(sorted_[b.buffer].entry().key);
    return order != 0 ? order < 0 : a.buffer < b.buffer;
  }

  Player playerOf(size_t buffer) {
    if (buffer >= sorted_.size() || !sorted_[buffer].advance()) return Player{};
    return Player{sorted_[buffer].prefix(), static_cast<uint32_t>(buffer)};
  }

  void begin() {
    for (leaves_ = 1; leaves_ < sorted_.size();) leaves_ *= 2;
    losers_.resize(leaves_);
    std::vector<Player> winners(2 * leaves_);
    for (size_t leaf = 0; leaf < leaves_; leaf++) winners[leaves_ + leaf] = playerOf(leaf);
    for (size_t node = leaves_ - 1; node > 0; node--) {
      const Player &left = winners[2 * node], &right = winners[2 * node + 1];
      const bool isLeftFirst = isBefore(left, right);
      winners[node] = isLeftFirst ? left : right;
      losers_[node] = isLeftFirst ? right : left;
    }
    winner_ = winners[1];
  }

  void replay() {
    size_t node = (leaves_ + winner_.buffer) / 2;
    Player player = playerOf(winner_.buffer);
    for (; node > 0; node /= 2) {
      if (isBefore(losers_[node], player)) std::swap(losers_[node], player);
    }
    winner_ = player;
  }

  Prefixes prefixes_;
  std::vector<SortedBuffer> sorted_;
  size_t leaves_ = 1;
  std::vector<Player> losers_;
  Player winner_;
};

rocksdb::Status writePoints(const Database& database, Entries* from, rocksdb::SstFileWriter* writer,
                            uint64_t* entries) {
  PackedEntry entry;
  while (from->next(&entry)) {
    if (*entries % kPollEvery == 0 && database.closing()) return closedStatus();
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
  Entries from;
  rocksdb::Status status = from.collect(buffers);
  *entries = 0;
  if (!status.ok() || from.isEmpty()) return status;

  rocksdb::SstFileWriter writer(tableEnvOptions(), spillOptions(database.options()), nullptr, false);
  status = writer.Open(path);
  if (status.ok()) status = writePoints(database, &from, &writer, entries);
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
