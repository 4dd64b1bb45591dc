// Layout of packed entries, the one format in which keys and values cross between JavaScript and RocksDB in bulk
// (write batches, table files, iteration). The TypeScript side is src/state/disk/packed-entries-layout.ts.
//
//   0        4          8              8+k            8+k+v
//   | k: u32 | v: u32   | key (k bytes) | value (v bytes) |   next entry follows at once, unaligned
//
// Numbers are little endian. v = 0xffffffff says that the key is deleted: no value bytes follow.
// v = 0xfffffffe says that all keys from `key` up to, not including, a second key are deleted: the second key follows as
// | u32 length | bytes |.
#pragma once

#include <rocksdb/slice.h>

#include <cstdint>
#include <cstring>

namespace millrace {

constexpr uint32_t kTombstone = 0xffffffffu;
constexpr uint32_t kRangeTombstone = 0xfffffffeu;
constexpr size_t kEntryHeaderBytes = 8;

struct PackedEntry {
  rocksdb::Slice key;
  rocksdb::Slice value;  // of a range tombstone: the end key
  bool tombstone = false;
  bool range = false;
};

class PackedReader {
 public:
  PackedReader(const uint8_t* data, size_t bytes) : at_(data), end_(data + bytes) {}

  // False at the end or where the bytes are not entries; `corrupt()` tells which.
  bool next(PackedEntry* entry) {
    if (at_ == end_) return false;
    uint32_t keyBytes = 0, valueBytes = 0;
    if (!read(&keyBytes) || !read(&valueBytes)) return false;
    if (!take(keyBytes, &entry->key)) return false;
    entry->tombstone = valueBytes == kTombstone;
    entry->range = valueBytes == kRangeTombstone;
    if (entry->tombstone) {
      entry->value = rocksdb::Slice();
      return true;
    }
    if (entry->range && !read(&valueBytes)) return false;
    return take(valueBytes, &entry->value);
  }
  bool corrupt() const { return corrupt_; }
  // Where the next entry begins.
  const uint8_t* data() const { return at_; }
  size_t bytesLeft() const { return static_cast<size_t>(end_ - at_); }
  // Reads from an entry on that begins `offset` bytes further.
  PackedReader at(size_t offset) const { return PackedReader(at_ + offset, bytesLeft() - offset); }

 private:
  bool read(uint32_t* value) {
    if (static_cast<size_t>(end_ - at_) < 4) return fail();
    std::memcpy(value, at_, 4);
    at_ += 4;
    return true;
  }
  bool take(uint32_t bytes, rocksdb::Slice* slice) {
    if (static_cast<size_t>(end_ - at_) < bytes) return fail();
    *slice = rocksdb::Slice(reinterpret_cast<const char*>(at_), bytes);
    at_ += bytes;
    return true;
  }
  bool fail() {
    corrupt_ = true;
    at_ = end_;
    return false;
  }

  const uint8_t* at_;
  const uint8_t* end_;
  bool corrupt_ = false;
};

// Appends entries to a buffer of fixed size; `append` says no where the entry does not fit any more.
class PackedWriter {
 public:
  PackedWriter(uint8_t* data, size_t capacity) : data_(data), capacity_(capacity) {}

  bool append(const rocksdb::Slice& key, const rocksdb::Slice& value) {
    const size_t needed = kEntryHeaderBytes + key.size() + value.size();
    if (capacity_ - used_ < needed) return false;
    const uint32_t keyBytes = static_cast<uint32_t>(key.size());
    const uint32_t valueBytes = static_cast<uint32_t>(value.size());
    uint8_t* at = data_ + used_;
    std::memcpy(at, &keyBytes, 4);
    std::memcpy(at + 4, &valueBytes, 4);
    std::memcpy(at + 8, key.data(), key.size());
    std::memcpy(at + 8 + key.size(), value.data(), value.size());
    used_ += needed;
    return true;
  }
  size_t used() const { return used_; }

 private:
  uint8_t* data_;
  size_t capacity_;
  size_t used_ = 0;
};

}  // namespace millrace
