#include <algorithm>
#include <vector>

#include "bindings.h"
#include "database-handle.h"
#include "key-order.h"
#include "shared-memory.h"

namespace millrace {

namespace {

// Reused by all calls of a thread.
struct Scratch {
  std::vector<OrderedKey> order;
  std::vector<rocksdb::Slice> keys;
  std::vector<rocksdb::PinnableSlice> found;
  std::vector<rocksdb::Status> statuses;
  std::vector<uint32_t> sortedIndex;  // of the key at an input position
};

constexpr int32_t kMissing = -1;

struct Request {
  Bytes keys;
  const uint32_t* offsets = nullptr;  // count + 1
  size_t count = 0;
  Bytes values;
  int32_t* lengths = nullptr;
};

void sortKeys(const Request& request, Scratch* scratch) {
  scratch->order.resize(request.count);
  for (size_t index = 0; index < request.count; index++) {
    const uint32_t offset = request.offsets[index];
    const char* data = reinterpret_cast<const char*>(request.keys.data) + offset;
    scratch->order[index] = orderedKey(rocksdb::Slice(data, request.offsets[index + 1] - offset), index);
  }
  std::sort(scratch->order.begin(), scratch->order.end());
}

// Values in the order of the input, one after another; returns the bytes that all of them need.
rocksdb::Status deliver(const Request& request, Scratch* scratch, size_t* needed) {
  size_t at = 0;
  for (size_t index = 0; index < request.count; index++) {
    const uint32_t sorted = scratch->sortedIndex[index];
    const rocksdb::Status& status = scratch->statuses[sorted];
    if (status.IsNotFound()) {
      request.lengths[index] = kMissing;
      continue;
    }
    if (!status.ok()) return status;
    const rocksdb::PinnableSlice& value = scratch->found[sorted];
    if (at + value.size() <= request.values.length) std::memcpy(request.values.data + at, value.data(), value.size());
    request.lengths[index] = static_cast<int32_t>(value.size());
    at += value.size();
  }
  *needed = at;
  return rocksdb::Status::OK();
}

rocksdb::Status read(rocksdb::DB* db, const Request& request, Scratch* scratch, size_t* needed) {
  sortKeys(request, scratch);
  scratch->keys.resize(request.count);
  scratch->sortedIndex.resize(request.count);
  scratch->found.resize(request.count);
  scratch->statuses.resize(request.count);
  for (size_t sorted = 0; sorted < request.count; sorted++) {
    scratch->keys[sorted] = scratch->order[sorted].key;
    scratch->sortedIndex[scratch->order[sorted].index] = static_cast<uint32_t>(sorted);
  }
  rocksdb::ReadOptions options;
  options.verify_checksums = true;
  db->MultiGet(options, db->DefaultColumnFamily(), request.count, scratch->keys.data(), scratch->found.data(),
               scratch->statuses.data(), true);
  noteReads(request.count);
  rocksdb::Status status = deliver(request, scratch, needed);
  for (rocksdb::PinnableSlice& value : scratch->found) value.Reset();
  return status;
}

// multiGet(handle, keys, keyOffsets: Uint32Array[count + 1], count, values, valueLengths: Int32Array[count]): number
// One look-up of many keys, in any order. Length -1 says that a key is absent. Returns the bytes of all values; where
// that is more than `values` holds the caller asks again with more room.
napi_value multiGet(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 6);
  std::shared_ptr<Database> database = databaseArgument(arguments, 0);
  Request request;
  request.keys = arguments.bytes(1);
  const Bytes offsets = arguments.bytes(2);
  request.count = arguments.integer(3);
  request.values = arguments.bytes(4);
  const Bytes lengths = arguments.bytes(5);
  if (!arguments.ok()) return nullptr;
  request.offsets = reinterpret_cast<const uint32_t*>(offsets.data);
  request.lengths = reinterpret_cast<int32_t*>(lengths.data);
  if (offsets.length < (request.count + 1) * 4 || lengths.length < request.count * 4 ||
      (request.count > 0 && request.offsets[request.count] > request.keys.length)) {
    throwError(env, "ROCKSDB_INVALID_ARGUMENT", "offsets or lengths are shorter than count");
    return nullptr;
  }
  for (size_t index = 0; index < request.count; index++) {
    if (request.offsets[index] > request.offsets[index + 1]) {
      throwError(env, "ROCKSDB_INVALID_ARGUMENT", "key offsets must not fall");
      return nullptr;
    }
  }
  Database::Use use(database.get());
  static thread_local Scratch scratch;
  size_t needed = 0;
  rocksdb::Status status = use ? read(database->db(), request, &scratch, &needed) : closedStatus();
  if (!status.ok()) {
    throwStatus(env, status);
    return nullptr;
  }
  return makeNumber(env, static_cast<double>(needed));
}

}  // namespace

void exportMultiGet(napi_env env, napi_value exports) { addFunction(env, exports, "multiGet", multiGet); }

}  // namespace millrace
