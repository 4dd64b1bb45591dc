// One open RocksDB of one keyed operator's subtask.
//
// Thread safety: opened, read and iterated by the slot's thread; table files, snapshots and compactions come from pool
// threads. `Use` guards every access: it fails once closing has begun, and close waits for the uses under way.
// Invariants
// 1. Iterators are owned here and die before the database.
// 2. Whoever holds a shared_ptr may outlive the JavaScript environment; the environment's clean-up hook closes.
// 3. Writes go without a write-ahead log: what is durable is a checkpoint's business.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace millrace {

struct TableIdentity {
  std::string uniqueId;  // hexadecimal
  uint64_t largestSequence = 0;
};

class Database {
 public:
  ~Database();

  static rocksdb::Status open(const std::string& path, const rocksdb::Options& options,
                              std::shared_ptr<Database>* result);
  // Idempotent. Waits for uses under way, then closes.
  rocksdb::Status close();
  bool closing() const { return closing_.load(std::memory_order_acquire); }

  rocksdb::DB* db() const { return db_.get(); }
  const rocksdb::Options& options() const { return options_; }
  const std::string& path() const { return path_; }
  std::string nextSpillPath();

  // Counts work for the pool from its creation to its end, and keeps the first failure.
  void begin();
  void end(const rocksdb::Status& status);
  // False where work still runs after `timeoutMs`.
  bool waitForBegun(uint64_t timeoutMs, rocksdb::Status* failure);

  rocksdb::Iterator* own(rocksdb::Iterator* iterator);
  void drop(rocksdb::Iterator* iterator);

  // Unique ids of table files by number, kept because reading them anew costs an open of the file.
  std::mutex tablesMutex;
  std::unordered_map<uint64_t, TableIdentity> tables;

  class Use {
   public:
    explicit Use(Database* database) : database_(database->enter() ? database : nullptr) {}
    ~Use() {
      if (database_ != nullptr) database_->leave();
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    explicit operator bool() const { return database_ != nullptr; }

   private:
    Database* database_;
  };

 private:
  Database(const std::string& path, const rocksdb::Options& options) : path_(path), options_(options) {}
  bool enter();
  void leave();

  std::string path_;
  rocksdb::Options options_;
  std::unique_ptr<rocksdb::DB> db_;
  std::unordered_set<rocksdb::Iterator*> iterators_;
  std::atomic<bool> closing_{false};
  std::mutex mutex_;
  std::condition_variable idle_;
  int uses_ = 0;
  int begun_ = 0;
  rocksdb::Status failure_;
  std::atomic<uint64_t> spills_{0};
};

inline rocksdb::Status closedStatus() { return rocksdb::Status::ShutdownInProgress("the database is closed"); }

}  // namespace millrace
