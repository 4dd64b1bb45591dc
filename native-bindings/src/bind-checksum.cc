#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "async-task.h"
#include "bindings.h"
#include "crc32.h"

namespace millrace {

namespace {

constexpr size_t kReadBytes = 256 * 1024;

class ChecksumTask : public AsyncTask {
 public:
  explicit ChecksumTask(std::string path) : path_(std::move(path)) {}

 protected:
  rocksdb::Status run() override {
    const int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return failure();
    std::vector<uint8_t> buffer(kReadBytes);
    rocksdb::Status status;
    for (;;) {
      const ssize_t count = ::read(file, buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) status = failure();
      if (count <= 0) break;
      checksum_ = crc32(checksum_, buffer.data(), static_cast<size_t>(count));
      bytes_ += static_cast<uint64_t>(count);
    }
    ::close(file);
    return status;
  }

  napi_value result(napi_env env) override {
    napi_value object = nullptr;
    if (!succeeded(napi_create_object(env, &object))) return nullptr;
    setField(env, object, "bytes", makeNumber(env, static_cast<double>(bytes_)));
    setField(env, object, "crc32", makeNumber(env, checksum_));
    return object;
  }

 private:
  rocksdb::Status failure() const { return rocksdb::Status::IOError(path_, std::strerror(errno)); }

  std::string path_;
  uint64_t bytes_ = 0;
  uint32_t checksum_ = 0;
};

// checksum(path): Promise<{ bytes, crc32 }>. Of the whole file.
napi_value checksum(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  std::string path = arguments.text(0);
  if (!arguments.ok()) return nullptr;
  return AsyncTask::start(env, "millrace:rocksdb:checksum", std::make_unique<ChecksumTask>(std::move(path)));
}

}  // namespace

void exportChecksum(napi_env env, napi_value exports) { addFunction(env, exports, "checksum", checksum); }

}  // namespace millrace
