#include <rocksdb/write_batch.h>

#include "bindings.h"
#include "database-handle.h"
#include "packed-entries.h"

namespace millrace {

namespace {

rocksdb::Status fill(rocksdb::WriteBatch* batch, const Bytes& packed) {
  PackedReader reader(packed.data, packed.length);
  PackedEntry entry;
  while (reader.next(&entry)) {
    rocksdb::Status status = entry.tombstone ? batch->Delete(entry.key)
                             : entry.range   ? batch->DeleteRange(entry.key, entry.value)
                                             : batch->Put(entry.key, entry.value);
    if (!status.ok()) return status;
  }
  return reader.corrupt() ? rocksdb::Status::InvalidArgument("packed entries are cut") : rocksdb::Status::OK();
}

// write(handle, packedEntries): puts and deletes through the database's own memtable, in order.
napi_value write(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 2);
  std::shared_ptr<Database> database = databaseArgument(arguments, 0);
  const Bytes packed = arguments.bytes(1);
  if (!arguments.ok()) return nullptr;
  Database::Use use(database.get());
  rocksdb::WriteBatch batch(packed.length + 64);
  rocksdb::Status status = use ? fill(&batch, packed) : closedStatus();
  if (status.ok()) {
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    status = database->db()->Write(options, &batch);
  }
  if (!status.ok()) throwStatus(env, status);
  return nullptr;
}

}  // namespace

void exportWrite(napi_env env, napi_value exports) { addFunction(env, exports, "write", write); }

}  // namespace millrace
