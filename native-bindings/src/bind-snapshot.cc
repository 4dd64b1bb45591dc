#include <rocksdb/env.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/unique_id.h>

#include <fstream>
#include <vector>

#include "async-task.h"
#include "bindings.h"
#include "database-handle.h"

namespace millrace {

namespace {

struct SnapshotFile {
  std::string name;  // as the MANIFEST knows it
  std::string uniqueId;
  uint64_t bytes = 0;
};

bool endsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string hexadecimal(const std::string& bytes) {
  static const char digits[] = "0123456789abcdef";
  std::string result;
  for (const char byte : bytes) {
    result += digits[(static_cast<uint8_t>(byte) >> 4) & 15];
    result += digits[static_cast<uint8_t>(byte) & 15];
  }
  return result;
}

// Links the table files of one consistent version into a directory, without stopping writers.
// Invariant: file deletions are disabled from before the list of files is taken until the last link is made.
class SnapshotTask : public AsyncTask {
 public:
  SnapshotTask(std::shared_ptr<Database> database, std::string directory, uint64_t sequenceMax)
      : database_(std::move(database)), directory_(std::move(directory)), sequenceMax_(sequenceMax) {
    database_->begin();
  }
  ~SnapshotTask() override {
    if (!hasRun_) database_->end(rocksdb::Status::OK());
  }

 protected:
  rocksdb::Status run() override {
    rocksdb::Status status = link();
    hasRun_ = true;
    // A failure is the asker's business; it leaves the database as it was.
    database_->end(rocksdb::Status::OK());
    return status;
  }

  napi_value result(napi_env env) override {
    napi_value object = nullptr;
    napi_value list = nullptr;
    if (!succeeded(napi_create_object(env, &object))) return nullptr;
    if (!succeeded(napi_create_array_with_length(env, files_.size(), &list))) return nullptr;
    for (size_t index = 0; index < files_.size(); index++) {
      napi_value file = nullptr;
      if (!succeeded(napi_create_object(env, &file))) return nullptr;
      setField(env, file, "name", makeText(env, files_[index].name));
      setField(env, file, "uniqueId", makeText(env, files_[index].uniqueId));
      setField(env, file, "bytes", makeNumber(env, static_cast<double>(files_[index].bytes)));
      if (!succeeded(napi_set_element(env, list, static_cast<uint32_t>(index), file))) return nullptr;
    }
    setField(env, object, "tables", list);
    setField(env, object, "manifest", makeText(env, manifest_));
    setField(env, object, "sequence", makeNumber(env, static_cast<double>(sequence_)));
    return object;
  }

 private:
  rocksdb::Status link() {
    Database::Use use(database_.get());
    if (!use) return closedStatus();
    rocksdb::Status status = database_->db()->DisableFileDeletions();
    if (!status.ok()) return status;
    status = linkLiveFiles();
    rocksdb::Status enabled = database_->db()->EnableFileDeletions(false);
    return status.ok() ? enabled : status;
  }

  rocksdb::Status linkLiveFiles() {
    rocksdb::DB* db = database_->db();
    std::vector<std::string> live;
    uint64_t manifestBytes = 0;
    rocksdb::Status status = db->GetLiveFiles(live, &manifestBytes, false);
    if (!status.ok()) return status;
    sequence_ = db->GetLatestSequenceNumber();
    if (sequence_ > sequenceMax_) return beyond("the database", sequence_);
    status = learnTables(live);
    for (size_t index = 0; status.ok() && index < live.size(); index++) {
      if (database_->closing()) return closedStatus();
      status = take(live[index].substr(1), manifestBytes);
    }
    if (status.ok() && manifest_.empty()) status = rocksdb::Status::Corruption("no MANIFEST among the live files");
    return status;
  }

  rocksdb::Status beyond(const std::string& what, uint64_t found) {
    return rocksdb::Status::Busy(what + " has sequence number " + std::to_string(found) + ", the barrier's is " +
                                 std::to_string(sequenceMax_));
  }

  rocksdb::Status take(const std::string& name, uint64_t manifestBytes) {
    const std::string from = database_->path() + "/" + name;
    const std::string to = directory_ + "/" + name;
    if (endsWith(name, ".sst")) return takeTable(name, from, to);
    if (name.compare(0, 9, "MANIFEST-") != 0) return rocksdb::Status::OK();
    manifest_ = name;
    rocksdb::Status status = copyPrefix(from, to, manifestBytes);
    if (!status.ok()) return status;
    return rocksdb::WriteStringToFile(rocksdb::Env::Default(), name + "\n", directory_ + "/CURRENT", false);
  }

  rocksdb::Status takeTable(const std::string& name, const std::string& from, const std::string& to) {
    SnapshotFile file;
    file.name = name;
    rocksdb::Status status = rocksdb::Env::Default()->LinkFile(from, to);
    if (status.ok()) status = rocksdb::Env::Default()->GetFileSize(to, &file.bytes);
    if (!status.ok()) return status;
    std::lock_guard<std::mutex> lock(database_->tablesMutex);
    const auto known = database_->tables.find(std::stoull(name));
    if (known == database_->tables.end()) return rocksdb::Status::Corruption("no identity of " + name);
    if (known->second.largestSequence > sequenceMax_) return beyond(name, known->second.largestSequence);
    file.uniqueId = known->second.uniqueId;
    files_.push_back(std::move(file));
    return status;
  }

  // Identities of files not seen before: sequence numbers from the version, unique ids from the files' properties.
  rocksdb::Status learnTables(const std::vector<std::string>& live) {
    std::vector<rocksdb::LiveFileMetaData> metadata;
    database_->db()->GetLiveFilesMetaData(&metadata);
    std::unordered_map<uint64_t, uint64_t> sequences;
    for (const rocksdb::LiveFileMetaData& file : metadata) sequences[file.file_number] = file.largest_seqno;
    std::lock_guard<std::mutex> lock(database_->tablesMutex);
    std::unordered_map<uint64_t, TableIdentity> current;
    for (const std::string& path : live) {
      if (!endsWith(path, ".sst")) continue;
      const uint64_t number = std::stoull(path.substr(1));
      const auto known = database_->tables.find(number);
      if (known != database_->tables.end()) {
        current.emplace(number, known->second);
        continue;
      }
      TableIdentity identity;
      rocksdb::Status status = readUniqueId(database_->path() + path, &identity.uniqueId);
      if (!status.ok()) return status;
      const auto sequence = sequences.find(number);
      identity.largestSequence = sequence == sequences.end() ? 0 : sequence->second;
      current.emplace(number, std::move(identity));
    }
    database_->tables.swap(current);
    return rocksdb::Status::OK();
  }

  rocksdb::Status readUniqueId(const std::string& path, std::string* uniqueId) {
    rocksdb::SstFileReader reader(database_->options());
    rocksdb::Status status = reader.Open(path);
    if (!status.ok()) return status;
    const std::shared_ptr<const rocksdb::TableProperties> properties = reader.GetTableProperties();
    if (properties == nullptr) return rocksdb::Status::Corruption("no table properties in " + path);
    std::string id;
    status = rocksdb::GetUniqueIdFromTableProperties(*properties, &id);
    if (status.ok()) *uniqueId = hexadecimal(id);
    return status;
  }

  static rocksdb::Status copyPrefix(const std::string& from, const std::string& to, uint64_t bytes) {
    std::ifstream input(from, std::ios::binary);
    std::ofstream output(to, std::ios::binary | std::ios::trunc);
    std::vector<char> buffer(64 << 10);
    while (bytes > 0 && input && output) {
      const size_t part = static_cast<size_t>(bytes < buffer.size() ? bytes : buffer.size());
      if (!input.read(buffer.data(), static_cast<std::streamsize>(part))) break;
      output.write(buffer.data(), static_cast<std::streamsize>(part));
      bytes -= part;
    }
    output.close();
    return bytes == 0 && output ? rocksdb::Status::OK() : rocksdb::Status::IOError("could not copy " + from);
  }

  std::shared_ptr<Database> database_;
  std::string directory_;
  uint64_t sequenceMax_;
  bool hasRun_ = false;
  uint64_t sequence_ = 0;
  std::string manifest_;
  std::vector<SnapshotFile> files_;
};

// snapshot(handle, directory, sequenceMax): Promise<{ tables: { name, uniqueId, bytes }[], manifest, sequence }>
// Fills an existing empty directory with links to the tables, the MANIFEST and CURRENT: a database that can be opened.
// ROCKSDB_BUSY where something newer than `sequenceMax` is in it.
napi_value snapshot(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 3);
  std::shared_ptr<Database> database = databaseArgument(arguments, 0);
  std::string directory = arguments.text(1);
  const uint64_t sequenceMax = arguments.integer(2);
  if (!arguments.ok()) return nullptr;
  return AsyncTask::start(
      env, "millrace:rocksdb:snapshot",
      std::make_unique<SnapshotTask>(std::move(database), std::move(directory), sequenceMax));
}

}  // namespace

void exportSnapshot(napi_env env, napi_value exports) { addFunction(env, exports, "snapshot", snapshot); }

}  // namespace millrace
