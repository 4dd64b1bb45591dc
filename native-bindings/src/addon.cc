// Entry of the addon: one environment (main thread or worker) after another asks for the exports.
#include <rocksdb/version.h>

#include "bindings.h"
#include "napi-support.h"
#include "shared-memory.h"

NAPI_MODULE_INIT() {
  using namespace millrace;
  returnLargeBlocks();
  exportOpen(env, exports);
  exportWrite(env, exports);
  exportMultiGet(env, exports);
  exportIterate(env, exports);
  exportIngest(env, exports);
  exportPackRows(env, exports);
  exportCopyRange(env, exports);
  exportDeleteRange(env, exports);
  exportSnapshot(env, exports);
  exportChecksum(env, exports);
  exportStatistics(env, exports);
  setField(env, exports, "rocksdbVersion", makeText(env, rocksdb::GetRocksVersionAsString()));
  return exports;
}
