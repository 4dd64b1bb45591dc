#include <algorithm>
#include <cstring>

#include "async-task.h"
#include "bindings.h"
#include "database-handle.h"
#include "packed-entries.h"

namespace millrace {

namespace {

constexpr uint32_t kKeyGroupBytes = 2;
constexpr uint32_t kInt32KeyBytes = 1 + 4;  // the key's class, the key
constexpr uint64_t kPollEveryWords = 4096;

// The columns of a table in front (src/state/disk/front-table.ts) whose keys are int32 and whose values are one number.
struct Rows {
  const double* cells = nullptr;  // key and value of each entry
  const uint16_t* keyGroups = nullptr;
  const uint8_t* states = nullptr;
  const uint32_t* pending = nullptr;  // a bit for each entry that is to be packed
  uint64_t count = 0;                 // entries that all columns have
};

struct Shape {
  uint8_t keyClass = 0;
  uint32_t valueBytes = 0;  // 8: float64, 4: int32
  uint8_t liveBit = 0;
  bool writesDeletions = false;
};

// Packs entries straight from the memory of the slot's thread, which goes on meanwhile. An entry that it changes it has
// packed itself before, into a buffer that is to be ingested after these: what is packed here of such an entry, old, new
// or not at all, does not count.
class PackRowsTask : public AsyncTask {
 public:
  PackRowsTask(std::shared_ptr<Database> database, const Rows& rows, const Shape& shape, uint64_t firstWord,
               uint64_t endWord, const Bytes& prefix, const Bytes& used)
      : database_(std::move(database)), rows_(rows), shape_(shape), firstWord_(firstWord), endWord_(endWord),
        prefix_(reinterpret_cast<const char*>(prefix.data), prefix.length),
        used_(reinterpret_cast<uint32_t*>(used.data)) {
    database_->begin();
  }
  ~PackRowsTask() override {
    if (!hasRun_) database_->end(rocksdb::Status::Aborted("cancelled"));
  }

  void addOut(const Bytes& out) { out_.push_back(out); }
  using AsyncTask::pin;

 protected:
  rocksdb::Status run() override {
    const rocksdb::Status status = pack();
    hasRun_ = true;
    database_->end(status);
    return status;
  }

 private:
  rocksdb::Status pack() {
    const uint32_t keyBytes = kKeyGroupBytes + static_cast<uint32_t>(prefix_.size()) + kInt32KeyBytes;
    const uint32_t entryBytesMax = kEntryHeaderBytes + keyBytes + shape_.valueBytes;
    size_t buffer = 0;
    uint8_t* at = out_.empty() ? nullptr : out_[0].data;
    uint32_t entries = 0;
    for (uint64_t word = firstWord_; word < endWord_; word++) {
      if (word % kPollEveryWords == 0 && database_->closing()) return closedStatus();
      for (uint32_t bits = __atomic_load_n(rows_.pending + word, __ATOMIC_RELAXED); bits != 0; bits &= bits - 1) {
        const uint64_t entry = word * 32 + static_cast<uint64_t>(__builtin_ctz(bits));
        if (entry >= rows_.count) break;
        const bool isLive = (__atomic_load_n(rows_.states + entry, __ATOMIC_RELAXED) & shape_.liveBit) != 0;
        if (!isLive && !shape_.writesDeletions) continue;
        while (buffer < out_.size() && at + entryBytesMax > out_[buffer].data + out_[buffer].length) {
          finish(buffer++, at, entries);
          at = buffer < out_.size() ? out_[buffer].data : nullptr;
          entries = 0;
        }
        if (buffer == out_.size()) return rocksdb::Status::InvalidArgument("packed rows do not fit");
        at = packEntry(entry, keyBytes, isLive, at);
        entries++;
      }
    }
    for (; buffer < out_.size(); at = buffer < out_.size() ? out_[buffer].data : nullptr, entries = 0) {
      finish(buffer++, at, entries);
    }
    return rocksdb::Status::OK();
  }

  uint8_t* packEntry(uint64_t entry, uint32_t keyBytes, bool isLive, uint8_t* at) const {
    const uint32_t valueField = isLive ? shape_.valueBytes : kTombstone;
    std::memcpy(at, &keyBytes, 4);
    std::memcpy(at + 4, &valueField, 4);
    at += kEntryHeaderBytes;
    const uint16_t keyGroup = __builtin_bswap16(rows_.keyGroups[entry]);
    std::memcpy(at, &keyGroup, 2);
    std::memcpy(at + 2, prefix_.data(), prefix_.size());
    at += kKeyGroupBytes + prefix_.size();
    *at = shape_.keyClass;
    const int32_t key = static_cast<int32_t>(rows_.cells[2 * entry]);
    std::memcpy(at + 1, &key, 4);
    at += kInt32KeyBytes;
    if (!isLive) return at;
    double value;
    __atomic_load(rows_.cells + 2 * entry + 1, &value, __ATOMIC_RELAXED);
    if (shape_.valueBytes == 8) {
      std::memcpy(at, &value, 8);
    } else {
      const int32_t whole = static_cast<int32_t>(value);
      std::memcpy(at, &whole, 4);
    }
    return at + shape_.valueBytes;
  }

  void finish(size_t buffer, const uint8_t* end, uint32_t entries) {
    used_[2 * buffer] = static_cast<uint32_t>(end - out_[buffer].data);
    used_[2 * buffer + 1] = entries;
  }

  std::shared_ptr<Database> database_;
  bool hasRun_ = false;
  Rows rows_;
  Shape shape_;
  uint64_t firstWord_, endWord_;
  std::string prefix_;
  uint32_t* used_;
  std::vector<Bytes> out_;
};

constexpr size_t kFirstOut = 13;

// packRows(handle, cells, keyGroups, states, pending, firstWord, endWord, prefix, keyClass, valueBytes, liveBit,
// writesDeletions, used, out[, more …]): Promise<void>. See src/state/rocksdb/binding.ts.
napi_value packRows(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, kFirstOut + 1);
  std::shared_ptr<Database> database = databaseArgument(arguments, 0);
  const Bytes cells = arguments.bytes(1);
  const Bytes keyGroups = arguments.bytes(2);
  const Bytes states = arguments.bytes(3);
  const Bytes pending = arguments.bytes(4);
  const uint64_t firstWord = arguments.integer(5);
  const uint64_t endWord = arguments.integer(6);
  const Bytes prefix = arguments.bytes(7);
  Shape shape;
  shape.keyClass = static_cast<uint8_t>(arguments.integer(8));
  shape.valueBytes = static_cast<uint32_t>(arguments.integer(9));
  shape.liveBit = static_cast<uint8_t>(arguments.integer(10));
  shape.writesDeletions = arguments.boolean(11);
  const Bytes used = arguments.bytes(12);
  if (!arguments.ok()) return nullptr;

  const size_t outCount = arguments.count() - kFirstOut;
  if (endWord > pending.length / 4 || (shape.valueBytes != 8 && shape.valueBytes != 4) || used.length < 8 * outCount) {
    throwError(env, "ROCKSDB_INVALID_ARGUMENT", "the columns do not fit together");
    return nullptr;
  }
  Rows rows;
  rows.cells = reinterpret_cast<const double*>(cells.data);
  rows.keyGroups = reinterpret_cast<const uint16_t*>(keyGroups.data);
  rows.states = states.data;
  rows.pending = reinterpret_cast<const uint32_t*>(pending.data);
  rows.count = std::min({cells.length / 16, keyGroups.length / 2, states.length});
  auto task = std::make_unique<PackRowsTask>(database, rows, shape, firstWord, endWord, prefix, used);
  for (size_t index = kFirstOut; index < arguments.count(); index++) {
    task->addOut(arguments.bytes(index));
    if (!arguments.ok()) return nullptr;
  }
  for (size_t index = 1; index < arguments.count(); index++) {
    const bool isColumn = index <= 4 || index >= kFirstOut - 1;
    if (isColumn && !task->pin(env, arguments.raw(index))) {
      throwError(env, "ROCKSDB_FAILED", "a buffer could not be kept");
      return nullptr;
    }
  }
  return AsyncTask::start(env, "millrace:rocksdb:packRows", std::move(task));
}

}  // namespace

void exportPackRows(napi_env env, napi_value exports) { addFunction(env, exports, "packRows", packRows); }

}  // namespace millrace
