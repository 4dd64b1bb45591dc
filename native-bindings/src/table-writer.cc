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

PackedEntry entryAt(const PackedReader& buffer, uint32_t offset) {
  PackedEntry entry;
  buffer.at(offset).next(&entry);
  return entry;
}

// The entries of one buffer in the order of their keys, of equal ones the older first. Four bytes an entry are kept.
class SortedBuffer {
 public:
  SortedBuffer(const PackedReader& buffer, const Prefixes& prefixes, std::vector<Point>* scratch)
      : buffer_(buffer), prefixes_(&prefixes) {
    scratch->clear();
    PackedReader reader = buffer;
    PackedEntry entry;
    for (;;) {
      const uint32_t offset = static_cast<uint32_t>(reader.data() - buffer.data());
      if (!reader.next(&entry)) break;
      if (!entry.range) scratch->push_back(Point{prefixes.of(entry.key), offset});
    }
    std::sort(scratch->begin(), scratch->end(), [&](const Point& a, const Point& b) {
      if (a.prefix != b.prefix) return a.prefix < b.prefix;
      const int order = entryAt(buffer_, a.offset).key.compare(entryAt(buffer_, b.offset).key);
      return order != 0 ? order < 0 : a.offset < b.offset;
    });
    offsets_.reserve(scratch->size());
    for (const Point& point : *scratch) offsets_.push_back(point.offset);
  }

  // False at the end.
  bool advance() {
    if (next_ == offsets_.size()) return false;
    if (next_ + kPrefetchedEntries < offsets_.size()) {
      __builtin_prefetch(buffer_.data() + offsets_[next_ + kPrefetchedEntries]);
    }
    entry_ = entryAt(buffer_, offsets_[next_++]);
    prefix_ = prefixes_->of(entry_.key);
    return true;
  }
  const PackedEntry& entry() const { return entry_; }
  bool isBefore(const SortedBuffer& other) const {
    if (prefix_ != other.prefix_) return prefix_ < other.prefix_;
    const int order = entry_.key.compare(other.entry_.key);
    return order != 0 ? order < 0 : index < other.index;
  }

  size_t index = 0;  // of the buffer: of equal keys the one in a later buffer is newer

 private:
  PackedReader buffer_;
  const Prefixes* prefixes_;
  std::vector<uint32_t> offsets_;
  size_t next_ = 0;
  PackedEntry entry_;
  uint64_t prefix_ = 0;
};

// The entries of all buffers in the order of their keys. Each buffer is sorted by itself, and then they are merged: that
// needs a quarter of the memory of sorting all entries at once, and stays in the processor's cache.
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
    std::vector<Point> scratch;
    sorted_.reserve(buffers.size());
    for (size_t index = 0; index < buffers.size(); index++) {
      sorted_.emplace_back(buffers[index], prefixes_, &scratch);
      sorted_.back().index = index;
    }
    for (SortedBuffer& each : sorted_) {
      if (each.advance()) heap_.push_back(&each);
    }
    std::make_heap(heap_.begin(), heap_.end(), isAfter);
    return rocksdb::Status::OK();
  }

  bool isEmpty() const { return heap_.empty() && ranges.empty(); }

  // The next entry, of equal keys the newest only; false at the end.
  bool next(PackedEntry* entry) {
    if (heap_.empty()) return false;
    do {
      *entry = heap_.front()->entry();
      pop();
    } while (!heap_.empty() && heap_.front()->entry().key == entry->key);
    return true;
  }

  std::vector<Range> ranges;

 private:
  static bool isAfter(const SortedBuffer* a, const SortedBuffer* b) { return b->isBefore(*a); }

  // The first of the heap goes on to its next entry, and down to where that belongs.
  void pop() {
    if (!heap_.front()->advance()) {
      heap_.front() = heap_.back();
      heap_.pop_back();
    }
    const size_t size = heap_.size();
    for (size_t at = 0;;) {
      size_t child = 2 * at + 1;
      if (child >= size) return;
      if (child + 1 < size && heap_[child + 1]->isBefore(*heap_[child])) child++;
      if (!heap_[child]->isBefore(*heap_[at])) return;
      std::swap(heap_[at], heap_[child]);
      at = child;
    }
  }

  Prefixes prefixes_;
  std::vector<SortedBuffer> sorted_;
  std::vector<SortedBuffer*> heap_;
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
