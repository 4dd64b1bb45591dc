#include <rocksdb/env.h>

#include "async-task.h"
#include "bindings.h"
#include "database-handle.h"
#include "table-writer.h"

namespace millrace {

namespace {

// Sorts, writes a table file and takes it in, all on a pool thread. Readers see all of it or nothing.
class IngestTask : public AsyncTask {
 public:
  IngestTask(std::shared_ptr<Database> database) : database_(std::move(database)) {}

  bool add(napi_env env, napi_value value, const Bytes& packed) {
    buffers_.emplace_back(packed.data, packed.length);
    return pin(env, value);
  }

 protected:
  rocksdb::Status run() override {
    Database::Use use(database_.get());
    if (!use) return closedStatus();
    const std::string path = database_->nextSpillPath();
    rocksdb::Status status = writeTable(*database_, buffers_, path, &entries_);
    if (!status.ok() || entries_ == 0) return status;
    status = ingestTables(database_.get(), {path});
    if (!status.ok()) (void)rocksdb::Env::Default()->DeleteFile(path);
    return status;
  }
  napi_value result(napi_env env) override { return makeNumber(env, static_cast<double>(entries_)); }

 private:
  std::shared_ptr<Database> database_;
  std::vector<PackedReader> buffers_;
  uint64_t entries_ = 0;
};

// ingest(handle, packedEntries[, more …up to 4]): Promise<number of entries>. The buffers must not change until then.
// Of a key that occurs twice the last entry counts. Overlapping calls take effect in no given order.
napi_value ingest(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 2);
  std::shared_ptr<Database> database = databaseArgument(arguments, 0);
  auto task = std::make_unique<IngestTask>(database);
  for (size_t index = 1; arguments.ok() && index < arguments.count(); index++) {
    const Bytes packed = arguments.bytes(index);
    if (arguments.ok() && !task->add(env, arguments.raw(index), packed)) {
      throwError(env, "ROCKSDB_INVALID_ARGUMENT", "at most 4 buffers an ingest");
      return nullptr;
    }
  }
  if (!arguments.ok()) return nullptr;
  return AsyncTask::start(env, "millrace:rocksdb:ingest", std::move(task));
}

}  // namespace

void exportIngest(napi_env env, napi_value exports) { addFunction(env, exports, "ingest", ingest); }

}  // namespace millrace
