// Sorting keys bytewise: the first eight bytes as one big-endian number decide nearly always.
#pragma once

#include <rocksdb/slice.h>

#include <cstdint>
#include <cstring>

namespace millrace {

struct OrderedKey {
  uint64_t prefix = 0;
  rocksdb::Slice key;
  size_t index = 0;  // where it came from; equal keys keep their order by it

  bool operator<(const OrderedKey& other) const {
    if (prefix != other.prefix) return prefix < other.prefix;
    const int order = key.compare(other.key);
    return order != 0 ? order < 0 : index < other.index;
  }
};

inline OrderedKey orderedKey(const rocksdb::Slice& key, size_t index) {
  uint64_t prefix = 0;
  std::memcpy(&prefix, key.data(), key.size() < 8 ? key.size() : 8);
  return OrderedKey{__builtin_bswap64(prefix), key, index};
}

}  // namespace millrace
