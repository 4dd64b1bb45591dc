#include "bindings.h"
#include "database-handle.h"
#include "packed-entries.h"

namespace millrace {

namespace {

constexpr napi_type_tag kIteratorTag = {0x6d696c6c72616365, 0x6974657261746f72};

// The upper bound lives here since RocksDB keeps a pointer to it.
struct Cursor {
  std::shared_ptr<Database> database;
  std::string lower, upper;
  rocksdb::Slice upperSlice;
  rocksdb::Iterator* iterator = nullptr;
};

void releaseCursor(napi_env, void* data, void*) {
  Cursor* cursor = static_cast<Cursor*>(data);
  if (cursor->iterator != nullptr) cursor->database->drop(cursor->iterator);
  delete cursor;
}

Cursor* cursorArgument(Arguments& arguments, size_t index) {
  return static_cast<Cursor*>(arguments.external(index, kIteratorTag));
}

// iteratorOpen(handle, lower, upper): handle of an iterator over keys in [lower, upper). Sees the database as it is now.
napi_value iteratorOpen(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 3);
  std::shared_ptr<Database> database = databaseArgument(arguments, 0);
  const Bytes lower = arguments.bytes(1);
  const Bytes upper = arguments.bytes(2);
  if (!arguments.ok()) return nullptr;
  Database::Use use(database.get());
  if (!use) {
    throwStatus(env, closedStatus());
    return nullptr;
  }
  Cursor* cursor = new Cursor();
  cursor->database = database;
  cursor->lower.assign(reinterpret_cast<const char*>(lower.data), lower.length);
  cursor->upper.assign(reinterpret_cast<const char*>(upper.data), upper.length);
  cursor->upperSlice = rocksdb::Slice(cursor->upper);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &cursor->upperSlice;
  options.fill_cache = false;
  cursor->iterator = database->own(database->db()->NewIterator(options));
  cursor->iterator->Seek(cursor->lower);
  return makeExternal(env, cursor, releaseCursor, kIteratorTag);
}

// iteratorNext(iterator, out): bytes of packed entries written to `out`; 0 at the end; a negative number -n where the
// next entry alone needs n bytes.
napi_value iteratorNext(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 2);
  Cursor* cursor = cursorArgument(arguments, 0);
  const Bytes out = arguments.bytes(1);
  if (!arguments.ok()) return nullptr;
  Database::Use use(cursor->database.get());
  if (!use || cursor->iterator == nullptr) {
    throwStatus(env, closedStatus());
    return nullptr;
  }
  PackedWriter writer(out.data, out.length);
  rocksdb::Iterator* iterator = cursor->iterator;
  for (; iterator->Valid(); iterator->Next()) {
    if (writer.append(iterator->key(), iterator->value())) continue;
    if (writer.used() > 0) break;
    const double needed = kEntryHeaderBytes + iterator->key().size() + iterator->value().size();
    return makeNumber(env, -needed);
  }
  if (!iterator->status().ok()) {
    throwStatus(env, iterator->status());
    return nullptr;
  }
  return makeNumber(env, static_cast<double>(writer.used()));
}

// iteratorClose(iterator): frees it before the garbage collector would.
napi_value iteratorClose(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  Cursor* cursor = cursorArgument(arguments, 0);
  if (!arguments.ok()) return nullptr;
  if (cursor->iterator != nullptr) cursor->database->drop(cursor->iterator);
  cursor->iterator = nullptr;
  return nullptr;
}

}  // namespace

void exportIterate(napi_env env, napi_value exports) {
  addFunction(env, exports, "iteratorOpen", iteratorOpen);
  addFunction(env, exports, "iteratorNext", iteratorNext);
  addFunction(env, exports, "iteratorClose", iteratorClose);
}

}  // namespace millrace
