#include "async-task.h"
#include "bindings.h"
#include "database-handle.h"
#include "database-options.h"

namespace millrace {

namespace {

class OpenTask : public AsyncTask {
 public:
  OpenTask(std::string path, OpenSettings settings) : path_(std::move(path)), settings_(std::move(settings)) {}

 protected:
  rocksdb::Status run() override { return Database::open(path_, makeOptions(settings_), &database_); }
  napi_value result(napi_env env) override { return makeDatabaseHandle(env, std::move(database_)); }

 private:
  std::string path_;
  OpenSettings settings_;
  std::shared_ptr<Database> database_;
};

class CloseTask : public AsyncTask {
 public:
  explicit CloseTask(std::shared_ptr<Database> database) : database_(std::move(database)) {}

 protected:
  rocksdb::Status run() override { return database_->close(); }

 private:
  std::shared_ptr<Database> database_;
};

// open(path, blockCacheBytes, writeBufferBytes, compression, metadataInCache, mmapReads): Promise<handle>
napi_value open(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 6);
  std::string path = arguments.text(0);
  OpenSettings settings;
  settings.blockCacheBytes = arguments.integer(1);
  settings.writeBufferBytes = arguments.integer(2);
  settings.compression = arguments.text(3);
  settings.metadataInCache = arguments.boolean(4);
  settings.mmapReads = arguments.boolean(5);
  if (!arguments.ok()) return nullptr;
  return AsyncTask::start(env, "millrace:rocksdb:open",
                          std::make_unique<OpenTask>(std::move(path), std::move(settings)));
}

// close(handle): Promise<void>. Later calls with the handle fail with ROCKSDB_CLOSED.
napi_value close(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  std::shared_ptr<Database> database = databaseArgument(arguments, 0);
  if (!arguments.ok()) return nullptr;
  return AsyncTask::start(env, "millrace:rocksdb:close", std::make_unique<CloseTask>(std::move(database)));
}

}  // namespace

void exportOpen(napi_env env, napi_value exports) {
  addFunction(env, exports, "open", open);
  addFunction(env, exports, "close", close);
}

}  // namespace millrace
