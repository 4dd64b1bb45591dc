#include "database-handle.h"

namespace millrace {

namespace {

constexpr napi_type_tag kDatabaseTag = {0x6d696c6c72616365, 0x726f636b73646231};

using Holder = std::shared_ptr<Database>;

void closeAtExit(void* data) { (void)(*static_cast<Holder*>(data))->close(); }

void releaseHolder(napi_env env, void* data, void*) {
  (void)napi_remove_env_cleanup_hook(env, closeAtExit, data);
  delete static_cast<Holder*>(data);
}

}  // namespace

napi_value makeDatabaseHandle(napi_env env, std::shared_ptr<Database> database) {
  Holder* holder = new Holder(std::move(database));
  if (!succeeded(napi_add_env_cleanup_hook(env, closeAtExit, holder))) {
    delete holder;
    return nullptr;
  }
  return makeExternal(env, holder, releaseHolder, kDatabaseTag);
}

std::shared_ptr<Database> databaseArgument(Arguments& arguments, size_t index) {
  void* data = arguments.external(index, kDatabaseTag);
  return data == nullptr ? nullptr : *static_cast<Holder*>(data);
}

}  // namespace millrace
