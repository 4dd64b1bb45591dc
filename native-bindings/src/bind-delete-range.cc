#include <rocksdb/convenience.h>

#include "async-task.h"
#include "bindings.h"
#include "database-handle.h"

namespace millrace {

namespace {

// Drops whole table files that lie in the range, then deletes the rest of it and flushes.
class DeleteRangeTask : public AsyncTask {
 public:
  DeleteRangeTask(std::shared_ptr<Database> database, const Bytes& lower, const Bytes& upper)
      : database_(std::move(database)), lower_(reinterpret_cast<const char*>(lower.data), lower.length),
        upper_(reinterpret_cast<const char*>(upper.data), upper.length) {}

 protected:
  rocksdb::Status run() override {
    Database::Use use(database_.get());
    if (!use) return closedStatus();
    rocksdb::DB* db = database_->db();
    const rocksdb::Slice lower(lower_), upper(upper_);
    rocksdb::Status status = rocksdb::DeleteFilesInRange(db, db->DefaultColumnFamily(), &lower, &upper, false);
    if (!status.ok()) return status;
    rocksdb::WriteOptions write;
    write.disableWAL = true;
    status = db->DeleteRange(write, db->DefaultColumnFamily(), lower, upper);
    if (!status.ok()) return status;
    return db->Flush(rocksdb::FlushOptions());
  }

 private:
  std::shared_ptr<Database> database_;
  std::string lower_, upper_;
};

// deleteRange(handle, lower, upper): Promise<void>. Keys in [lower, upper) are gone when it resolves.
napi_value deleteRange(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 3);
  std::shared_ptr<Database> database = databaseArgument(arguments, 0);
  const Bytes lower = arguments.bytes(1);
  const Bytes upper = arguments.bytes(2);
  if (!arguments.ok()) return nullptr;
  return AsyncTask::start(env, "millrace:rocksdb:deleteRange",
                          std::make_unique<DeleteRangeTask>(std::move(database), lower, upper));
}

}  // namespace

void exportDeleteRange(napi_env env, napi_value exports) { addFunction(env, exports, "deleteRange", deleteRange); }

}  // namespace millrace
