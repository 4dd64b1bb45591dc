#include <rocksdb/env.h>

#include <memory>

#include "async-task.h"
#include "bindings.h"
#include "database-handle.h"
#include "table-writer.h"

namespace millrace {

namespace {

constexpr uint64_t kPollEvery = 1024;
constexpr uint64_t kTableBytesMax = 64ull << 20;

// Copies the live entries of [lower, upper) from one database into another by table files: the merge of a rescale.
class CopyRangeTask : public AsyncTask {
 public:
  CopyRangeTask(std::shared_ptr<Database> from, std::shared_ptr<Database> to, const Bytes& lower, const Bytes& upper)
      : from_(std::move(from)), to_(std::move(to)),
        lower_(reinterpret_cast<const char*>(lower.data), lower.length),
        upper_(reinterpret_cast<const char*>(upper.data), upper.length) {}

 protected:
  rocksdb::Status run() override {
    Database::Use source(from_.get());
    Database::Use target(to_.get());
    if (!source || !target) return closedStatus();
    std::vector<std::string> paths;
    rocksdb::Status status = writeTables(&paths);
    if (status.ok() && !paths.empty()) status = ingestTables(to_.get(), paths);
    if (!status.ok()) {
      for (const std::string& path : paths) (void)rocksdb::Env::Default()->DeleteFile(path);
    }
    return status;
  }
  napi_value result(napi_env env) override { return makeNumber(env, static_cast<double>(entries_)); }

 private:
  rocksdb::Status writeTables(std::vector<std::string>* paths) {
    rocksdb::Slice upper(upper_);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper;
    options.fill_cache = false;
    options.readahead_size = 2 << 20;
    std::unique_ptr<rocksdb::Iterator> iterator(from_->db()->NewIterator(options));
    std::unique_ptr<rocksdb::SstFileWriter> writer;
    rocksdb::Status status;
    for (iterator->Seek(lower_); status.ok() && iterator->Valid(); iterator->Next()) {
      if (entries_ % kPollEvery == 0 && (to_->closing() || from_->closing())) return closedStatus();
      if (writer == nullptr) {
        writer.reset(new rocksdb::SstFileWriter(tableEnvOptions(), to_->options(), nullptr, false));
        paths->push_back(to_->nextSpillPath());
        status = writer->Open(paths->back());
      }
      if (status.ok()) status = writer->Put(iterator->key(), iterator->value());
      entries_ += 1;
      if (status.ok() && writer->FileSize() >= kTableBytesMax) {
        status = writer->Finish();
        writer.reset();
      }
    }
    if (status.ok()) status = iterator->status();
    if (status.ok() && writer != nullptr) status = writer->Finish();
    return status;
  }

  std::shared_ptr<Database> from_, to_;
  std::string lower_, upper_;
  uint64_t entries_ = 0;
};

// copyRange(from, to, lower, upper): Promise<number of entries>
napi_value copyRange(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 4);
  std::shared_ptr<Database> from = databaseArgument(arguments, 0);
  std::shared_ptr<Database> to = databaseArgument(arguments, 1);
  const Bytes lower = arguments.bytes(2);
  const Bytes upper = arguments.bytes(3);
  if (!arguments.ok()) return nullptr;
  return AsyncTask::start(env, "millrace:rocksdb:copyRange",
                          std::make_unique<CopyRangeTask>(std::move(from), std::move(to), lower, upper));
}

}  // namespace

void exportCopyRange(napi_env env, napi_value exports) { addFunction(env, exports, "copyRange", copyRange); }

}  // namespace millrace
