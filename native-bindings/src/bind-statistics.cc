#include <malloc.h>

#include <cstdlib>
#include <string>

#include "async-task.h"
#include "bindings.h"
#include "database-handle.h"

namespace millrace {

namespace {

// latestSequence(handle): number of the newest write.
napi_value latestSequence(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  std::shared_ptr<Database> database = databaseArgument(arguments, 0);
  if (!arguments.ok()) return nullptr;
  Database::Use use(database.get());
  if (!use) {
    throwStatus(env, closedStatus());
    return nullptr;
  }
  return makeNumber(env, static_cast<double>(database->db()->GetLatestSequenceNumber()));
}

// What the process's C heaps hold: allocated blocks, free ones between them, blocks of their own mappings.
bool heapProperty(const std::string& name, uint64_t* value) {
#ifdef __GLIBC__
  const struct mallinfo2 heaps = mallinfo2();
  if (name == "heap.allocated") *value = heaps.uordblks;
  else if (name == "heap.free") *value = heaps.fordblks;
  else if (name == "heap.mapped") *value = heaps.hblkhd;
  else return false;
  return true;
#else
  (void)name;
  (void)value;
  return false;
#endif
}

// Some whole numbers RocksDB gives as text only.
bool numberProperty(rocksdb::DB* db, const std::string& name, uint64_t* value) {
  if (name.rfind("heap.", 0) == 0) return heapProperty(name, value);
  if (db->GetIntProperty(name, value)) return true;
  std::string text;
  if (!db->GetProperty(name, &text) || text.empty()) return false;
  char* end = nullptr;
  *value = std::strtoull(text.c_str(), &end, 10);
  return *end == '\0';
}

// property(handle, name): one of RocksDB's whole-number properties, or `heap.allocated`, `heap.free`, `heap.mapped` of the
// process's C heaps; -1 where there is none of that name.
napi_value property(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 2);
  std::shared_ptr<Database> database = databaseArgument(arguments, 0);
  const std::string name = arguments.text(1);
  if (!arguments.ok()) return nullptr;
  Database::Use use(database.get());
  if (!use) {
    throwStatus(env, closedStatus());
    return nullptr;
  }
  uint64_t value = 0;
  const bool known = numberProperty(database->db(), name, &value);
  return makeNumber(env, known ? static_cast<double>(value) : -1);
}

class CompactTask : public AsyncTask {
 public:
  explicit CompactTask(std::shared_ptr<Database> database) : database_(std::move(database)) {}

 protected:
  rocksdb::Status run() override {
    Database::Use use(database_.get());
    if (!use) return closedStatus();
    return database_->db()->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr);
  }

 private:
  std::shared_ptr<Database> database_;
};

// compact(handle): Promise<void>. Everything into one sorted run; tests and benches only.
napi_value compact(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  std::shared_ptr<Database> database = databaseArgument(arguments, 0);
  if (!arguments.ok()) return nullptr;
  return AsyncTask::start(env, "millrace:rocksdb:compact", std::make_unique<CompactTask>(std::move(database)));
}

}  // namespace

void exportStatistics(napi_env env, napi_value exports) {
  addFunction(env, exports, "latestSequence", latestSequence);
  addFunction(env, exports, "property", property);
  addFunction(env, exports, "compact", compact);
}

}  // namespace millrace
