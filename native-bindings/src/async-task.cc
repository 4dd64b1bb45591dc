#include "async-task.h"

namespace millrace {

bool AsyncTask::pin(napi_env env, napi_value value) {
  napi_ref reference = nullptr;
  if (!succeeded(napi_create_reference(env, value, 1, &reference))) return false;
  pins_.push_back(reference);
  return true;
}

napi_value AsyncTask::start(napi_env env, const char* name, std::unique_ptr<AsyncTask> task) {
  napi_value promise = nullptr;
  napi_value label = makeText(env, name);
  AsyncTask* raw = task.get();
  if (label == nullptr || !succeeded(napi_create_promise(env, &raw->deferred_, &promise))) return nullptr;
  if (!succeeded(napi_create_async_work(env, nullptr, label, execute, complete, raw, &raw->work_))) {
    throwError(env, "ROCKSDB_FAILED", "could not create asynchronous work");
    return nullptr;
  }
  if (!succeeded(napi_queue_async_work(env, raw->work_))) {
    (void)napi_delete_async_work(env, raw->work_);
    throwError(env, "ROCKSDB_FAILED", "could not queue asynchronous work");
    return nullptr;
  }
  (void)task.release();  // `complete` deletes it
  return promise;
}

void AsyncTask::execute(napi_env, void* data) {
  AsyncTask* task = static_cast<AsyncTask*>(data);
  task->status_ = task->run();
}

void AsyncTask::complete(napi_env env, napi_status status, void* data) {
  std::unique_ptr<AsyncTask> task(static_cast<AsyncTask*>(data));
  for (napi_ref pin : task->pins_) (void)napi_delete_reference(env, pin);
  (void)napi_delete_async_work(env, task->work_);

  napi_handle_scope scope = nullptr;
  if (!succeeded(napi_open_handle_scope(env, &scope))) return;
  if (status == napi_cancelled) task->status_ = rocksdb::Status::Aborted("cancelled");
  if (task->status_.ok()) {
    napi_value value = task->result(env);
    if (value == nullptr && !succeeded(napi_get_undefined(env, &value))) value = nullptr;
    if (value != nullptr) (void)napi_resolve_deferred(env, task->deferred_, value);
  } else {
    napi_value error = makeError(env, task->status_);
    if (error != nullptr) (void)napi_reject_deferred(env, task->deferred_, error);
  }
  (void)napi_close_handle_scope(env, scope);
}

}  // namespace millrace
