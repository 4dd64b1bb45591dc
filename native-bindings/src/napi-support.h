// What every function of the binding needs of Node-API.
//
// Invariants
// 1. A Node-API call may fail at any time, because the worker is being terminated, and then leaves its outputs unset:
//    every status is checked and every output is initialised before the call.
// 2. No C++ exception crosses into JavaScript; failures are thrown as Error with `code` = ROCKSDB_<STATUS>.
// 3. Buffers are taken from JavaScript as typed arrays or DataViews, never as a raw SharedArrayBuffer.
#pragma once

#include <node_api.h>
#include <rocksdb/status.h>

#include <cstdint>
#include <string>
#include <vector>

namespace millrace {

struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;  // bytes
};

// The arguments of one call, each read at most once. A getter that fails throws in JavaScript, clears `ok()` and gives
// a harmless value; the function then returns nullptr.
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info, size_t expected);

  bool ok() const { return ok_; }
  size_t count() const { return count_; }
  napi_value raw(size_t index) const { return index < values_.size() ? values_[index] : nullptr; }
  bool isUndefined(size_t index);

  std::string text(size_t index);
  uint64_t integer(size_t index);  // 0 … 2^53
  bool boolean(size_t index);
  // Any typed array, Buffer or DataView; the memory lives as long as the JavaScript object.
  Bytes bytes(size_t index);
  Bytes optionalBytes(size_t index);
  // An external made by `makeExternal` with the same tag.
  void* external(size_t index, const napi_type_tag& tag);

 private:
  static constexpr size_t kUsualMax = 10;
  void fail(size_t index, const char* wanted);

  napi_env env_;
  std::vector<napi_value> values_;
  size_t count_ = 0;
  bool ok_ = false;
};

// False where the call failed, most often because the environment is going away.
inline bool succeeded(napi_status status) { return status == napi_ok; }

void throwError(napi_env env, const char* code, const std::string& message);
void throwStatus(napi_env env, const rocksdb::Status& status);
// An Error object for rejecting a promise, nullptr where it cannot be made.
napi_value makeError(napi_env env, const rocksdb::Status& status);

napi_value makeNumber(napi_env env, double value);
napi_value makeText(napi_env env, const std::string& value);
napi_value makeBoolean(napi_env env, bool value);
napi_value makeExternal(napi_env env, void* data, napi_finalize finalize, const napi_type_tag& tag);
void setField(napi_env env, napi_value object, const char* name, napi_value value);

void addFunction(napi_env env, napi_value exports, const char* name, napi_callback callback);

}  // namespace millrace
