#include <rocksdb/env.h>

#include "async-task.h"
#include "bindings.h"
#include "database-handle.h"
#include "shared-memory.h"
#include "table-writer.h"

namespace millrace {

namespace {

// Sorts, writes a table file and takes it in, all on a pool thread. Readers see all of it or nothing.
class IngestTask : public AsyncTask {
 public:
  explicit IngestTask(std::shared_ptr<Database> database) : database_(std::move(database)) { database_->begin(); }
  ~IngestTask() override {
    if (!hasRun_) database_->end(rocksdb::Status::Aborted("cancelled"));
  }

  bool add(napi_env env, napi_value value, const Bytes& packed) {
    buffers_.emplace_back(packed.data, packed.length);
    return pin(env, value);
  }

 protected:
  rocksdb::Status run() override {
    rocksdb::Status status = ingest();
    hasRun_ = true;
    returnFreeMemory();
    database_->end(status);
    return status;
  }
  napi_value result(napi_env env) override { return makeNumber(env, static_cast<double>(entries_)); }

 private:
  rocksdb::Status ingest() {
    Database::Use use(database_.get());
    if (!use) return closedStatus();
    const std::string path = database_->nextSpillPath();
    rocksdb::Status status = writeTable(*database_, buffers_, path, &entries_);
    if (!status.ok() || entries_ == 0) return status;
    status = ingestTables(database_.get(), {path});
    if (!status.ok()) (void)rocksdb::Env::Default()->DeleteFile(path);
    return status;
  }

  std::shared_ptr<Database> database_;
  bool hasRun_ = false;
  std::vector<PackedReader> buffers_;
  uint64_t entries_ = 0;
};

// ingest(handle, packedEntries[, more …]): Promise<number of entries>. The buffers must not change until then.
// Of a key that occurs twice the last entry counts. Overlapping calls take effect in no given order.
napi_value ingest(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 2);
  std::shared_ptr<Database> database = databaseArgument(arguments, 0);
  if (!arguments.ok()) return nullptr;
  auto task = std::make_unique<IngestTask>(database);
  for (size_t index = 1; arguments.ok() && index < arguments.count(); index++) {
    const Bytes packed = arguments.bytes(index);
    if (arguments.ok() && !task->add(env, arguments.raw(index), packed)) {
      throwError(env, "ROCKSDB_FAILED", "a buffer could not be kept");
      return nullptr;
    }
  }
  if (!arguments.ok()) return nullptr;
  return AsyncTask::start(env, "millrace:rocksdb:ingest", std::move(task));
}

}  // namespace

void exportIngest(napi_env env, napi_value exports) { addFunction(env, exports, "ingest", ingest); }

}  // namespace millrace
