#include "database.h"

#include <rocksdb/convenience.h>

#include <chrono>

namespace millrace {

Database::~Database() { (void)close(); }

rocksdb::Status Database::open(const std::string& path, const rocksdb::Options& options,
                               std::shared_ptr<Database>* result) {
  std::shared_ptr<Database> database(new Database(path, options));
  rocksdb::DB* opened = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(options, path, &opened);
  if (!status.ok()) return status;
  database->db_.reset(opened);
  *result = std::move(database);
  return status;
}

rocksdb::Status Database::close() {
  std::unique_lock<std::mutex> lock(mutex_);
  closing_.store(true, std::memory_order_release);
  idle_.wait(lock, [this] { return uses_ == 0; });
  if (db_ == nullptr) return rocksdb::Status::OK();
  for (rocksdb::Iterator* iterator : iterators_) delete iterator;
  iterators_.clear();
  rocksdb::CancelAllBackgroundWork(db_.get(), true);
  rocksdb::Status status = db_->Close();
  db_.reset();
  return status;
}

std::string Database::nextSpillPath() {
  return path_ + "/spill-" + std::to_string(spills_.fetch_add(1)) + ".tmp";
}

void Database::begin() {
  std::lock_guard<std::mutex> lock(mutex_);
  begun_ += 1;
}

void Database::end(const rocksdb::Status& status) {
  std::lock_guard<std::mutex> lock(mutex_);
  begun_ -= 1;
  if (!status.ok() && failure_.ok()) failure_ = status;
  idle_.notify_all();
}

bool Database::waitForBegun(uint64_t timeoutMs, rocksdb::Status* failure) {
  std::unique_lock<std::mutex> lock(mutex_);
  const bool isDone = idle_.wait_for(lock, std::chrono::milliseconds(timeoutMs), [this] { return begun_ == 0; });
  *failure = failure_;
  return isDone;
}

rocksdb::Iterator* Database::own(rocksdb::Iterator* iterator) {
  std::lock_guard<std::mutex> lock(mutex_);
  iterators_.insert(iterator);
  return iterator;
}

void Database::drop(rocksdb::Iterator* iterator) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (iterators_.erase(iterator) == 1) delete iterator;
}

bool Database::enter() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closing_.load(std::memory_order_relaxed) || db_ == nullptr) return false;
  uses_ += 1;
  return true;
}

void Database::leave() {
  std::lock_guard<std::mutex> lock(mutex_);
  uses_ -= 1;
  if (uses_ == 0) idle_.notify_all();
}

}  // namespace millrace
