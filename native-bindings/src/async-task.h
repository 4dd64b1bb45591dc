// Work on a pool thread whose end settles a promise.
//
// Thread: `run` on a libuv pool thread, everything else on the JavaScript thread. Node waits for pool work before it
// tears an environment down, so buffers pinned here outlive `run`; long loops look at `Database::closing()`.
#pragma once

#include <memory>
#include <vector>

#include "database.h"
#include "napi-support.h"

namespace millrace {

class AsyncTask {
 public:
  virtual ~AsyncTask() = default;

  // Takes ownership of the task. Returns the promise, nullptr with an exception pending where it could not start.
  static napi_value start(napi_env env, const char* name, std::unique_ptr<AsyncTask> task);

 protected:
  virtual rocksdb::Status run() = 0;
  // The promise's value; undefined where nullptr.
  virtual napi_value result(napi_env) { return nullptr; }

  // Keeps a JavaScript object (a buffer that `run` reads) alive until the task has ended.
  bool pin(napi_env env, napi_value value);

 private:
  static void execute(napi_env env, void* data);
  static void complete(napi_env env, napi_status status, void* data);

  std::vector<napi_ref> pins_;
  napi_deferred deferred_ = nullptr;
  napi_async_work work_ = nullptr;
  rocksdb::Status status_;
};

}  // namespace millrace
