#include "napi-support.h"

namespace millrace {

namespace {

const char* codeOf(const rocksdb::Status& status) {
  if (status.IsNotFound()) return "ROCKSDB_NOT_FOUND";
  if (status.IsCorruption()) return "ROCKSDB_CORRUPTION";
  if (status.IsIOError()) return "ROCKSDB_IO_ERROR";
  if (status.IsInvalidArgument()) return "ROCKSDB_INVALID_ARGUMENT";
  if (status.IsShutdownInProgress() || status.IsAborted()) return "ROCKSDB_CLOSED";
  if (status.IsBusy()) return "ROCKSDB_BUSY";
  return "ROCKSDB_FAILED";
}

}  // namespace

Arguments::Arguments(napi_env env, napi_callback_info info, size_t expected) : env_(env) {
  // The number that was passed comes back, however many there is room for.
  size_t count = kUsualMax;
  for (size_t room = 0; room < count;) {
    values_.resize(room = count);
    if (!succeeded(napi_get_cb_info(env, info, &count, values_.data(), nullptr, nullptr))) return;
  }
  count_ = count;
  ok_ = true;
  if (count < expected) fail(count, "an argument");
}

void Arguments::fail(size_t index, const char* wanted) {
  if (!ok_) return;
  ok_ = false;
  throwError(env_, "ROCKSDB_INVALID_ARGUMENT", "argument " + std::to_string(index) + " must be " + wanted);
}

bool Arguments::isUndefined(size_t index) {
  napi_valuetype type = napi_undefined;
  if (index >= count_ || !succeeded(napi_typeof(env_, values_[index], &type))) return true;
  return type == napi_undefined || type == napi_null;
}

std::string Arguments::text(size_t index) {
  size_t length = 0;
  if (!ok_ || !succeeded(napi_get_value_string_utf8(env_, raw(index), nullptr, 0, &length))) {
    fail(index, "a string");
    return {};
  }
  std::string result(length + 1, '\0');
  size_t written = 0;
  if (!succeeded(napi_get_value_string_utf8(env_, raw(index), result.data(), length + 1, &written))) {
    fail(index, "a string");
    return {};
  }
  result.resize(written);
  return result;
}

uint64_t Arguments::integer(size_t index) {
  double value = 0;
  if (!ok_ || !succeeded(napi_get_value_double(env_, raw(index), &value)) || !(value >= 0) ||
      value > 9007199254740992.0) {
    fail(index, "a whole number >= 0");
    return 0;
  }
  return static_cast<uint64_t>(value);
}

bool Arguments::boolean(size_t index) {
  bool value = false;
  if (!ok_ || !succeeded(napi_get_value_bool(env_, raw(index), &value))) {
    fail(index, "a boolean");
    return false;
  }
  return value;
}

Bytes Arguments::bytes(size_t index) {
  Bytes result;
  if (!ok_) return result;
  void* data = nullptr;
  size_t length = 0;
  bool is = false;
  if (succeeded(napi_is_typedarray(env_, raw(index), &is)) && is) {
    napi_typedarray_type type = napi_uint8_array;
    size_t elements = 0;
    if (!succeeded(napi_get_typedarray_info(env_, raw(index), &type, &elements, &data, nullptr, nullptr))) {
      fail(index, "a typed array");
      return result;
    }
    static constexpr size_t kWidths[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
    const size_t slot = static_cast<size_t>(type);
    if (slot >= sizeof(kWidths) / sizeof(kWidths[0])) {
      fail(index, "a typed array of a known width");
      return result;
    }
    length = elements * kWidths[slot];
  } else if (succeeded(napi_is_dataview(env_, raw(index), &is)) && is) {
    if (!succeeded(napi_get_dataview_info(env_, raw(index), &length, &data, nullptr, nullptr))) {
      fail(index, "a DataView");
      return result;
    }
  } else {
    fail(index, "a typed array or DataView");
    return result;
  }
  result.data = static_cast<uint8_t*>(data);
  result.length = length;
  return result;
}

Bytes Arguments::optionalBytes(size_t index) { return isUndefined(index) ? Bytes{} : bytes(index); }

void* Arguments::external(size_t index, const napi_type_tag& tag) {
  void* data = nullptr;
  bool matches = false;
  if (!ok_ || !succeeded(napi_check_object_type_tag(env_, raw(index), &tag, &matches)) || !matches ||
      !succeeded(napi_get_value_external(env_, raw(index), &data))) {
    fail(index, "a handle of this binding");
    return nullptr;
  }
  return data;
}

void throwError(napi_env env, const char* code, const std::string& message) {
  bool pending = false;
  if (succeeded(napi_is_exception_pending(env, &pending)) && pending) return;
  (void)napi_throw_error(env, code, message.c_str());
}

void throwStatus(napi_env env, const rocksdb::Status& status) { throwError(env, codeOf(status), status.ToString()); }

napi_value makeError(napi_env env, const rocksdb::Status& status) {
  napi_value code = makeText(env, codeOf(status));
  napi_value message = makeText(env, status.ToString());
  napi_value error = nullptr;
  if (code == nullptr || message == nullptr || !succeeded(napi_create_error(env, code, message, &error))) {
    return nullptr;
  }
  return error;
}

napi_value makeNumber(napi_env env, double value) {
  napi_value result = nullptr;
  return succeeded(napi_create_double(env, value, &result)) ? result : nullptr;
}

napi_value makeText(napi_env env, const std::string& value) {
  napi_value result = nullptr;
  return succeeded(napi_create_string_utf8(env, value.data(), value.size(), &result)) ? result : nullptr;
}

napi_value makeBoolean(napi_env env, bool value) {
  napi_value result = nullptr;
  return succeeded(napi_get_boolean(env, value, &result)) ? result : nullptr;
}

napi_value makeExternal(napi_env env, void* data, napi_finalize finalize, const napi_type_tag& tag) {
  napi_value result = nullptr;
  if (!succeeded(napi_create_external(env, data, finalize, nullptr, &result))) {
    finalize(env, data, nullptr);
    return nullptr;
  }
  return succeeded(napi_type_tag_object(env, result, &tag)) ? result : nullptr;
}

void setField(napi_env env, napi_value object, const char* name, napi_value value) {
  if (object == nullptr || value == nullptr) return;
  (void)napi_set_named_property(env, object, name, value);
}

void addFunction(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  if (!succeeded(napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function))) return;
  setField(env, exports, name, function);
}

}  // namespace millrace
