#include "async-task.h"
#include "bindings.h"
#include "database-handle.h"
#include "database-options.h"

namespace millrace {

namespace {

class CloseTask : public AsyncTask {
 public:
  explicit CloseTask(std::shared_ptr<Database> database) : database_(std::move(database)) {}

 protected:
  rocksdb::Status run() override { return database_->close(); }

 private:
  std::shared_ptr<Database> database_;
};

// open(path, blockCacheBytes, writeBufferBytes, compression, mmapReads): handle
// On the calling thread: some 10 ms, once per database.
napi_value open(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 5);
  const std::string path = arguments.text(0);
  OpenSettings settings;
  settings.blockCacheBytes = arguments.integer(1);
  settings.writeBufferBytes = arguments.integer(2);
  settings.compression = arguments.text(3);
  settings.mmapReads = arguments.boolean(4);
  if (!arguments.ok()) return nullptr;
  std::shared_ptr<Database> database;
  const rocksdb::Status status = Database::open(path, makeOptions(settings), &database);
  if (!status.ok()) {
    throwStatus(env, status);
    return nullptr;
  }
  return makeDatabaseHandle(env, std::move(database));
}

// close(handle): Promise<void>. Later calls with the handle fail with ROCKSDB_CLOSED.
napi_value close(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  std::shared_ptr<Database> database = databaseArgument(arguments, 0);
  if (!arguments.ok()) return nullptr;
  return AsyncTask::start(env, "millrace:rocksdb:close", std::make_unique<CloseTask>(std::move(database)));
}

// waitForBegun(handle, timeoutMs): boolean. Waits on this thread for the ingests and snapshots that were begun; false
// where some still run. Throws what the first of them that failed died of.
napi_value waitForBegun(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 2);
  std::shared_ptr<Database> database = databaseArgument(arguments, 0);
  const uint64_t timeoutMs = arguments.integer(1);
  if (!arguments.ok()) return nullptr;
  rocksdb::Status status;
  const bool isDone = database->waitForBegun(timeoutMs, &status);
  if (!status.ok()) {
    throwStatus(env, status);
    return nullptr;
  }
  return makeBoolean(env, isDone);
}

}  // namespace

void exportOpen(napi_env env, napi_value exports) {
  addFunction(env, exports, "open", open);
  addFunction(env, exports, "close", close);
  addFunction(env, exports, "waitForBegun", waitForBegun);
}

}  // namespace millrace
