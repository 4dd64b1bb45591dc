// One line per file that exports functions to JavaScript.
#pragma once

#include <node_api.h>

namespace millrace {

void exportOpen(napi_env env, napi_value exports);
void exportWrite(napi_env env, napi_value exports);
void exportMultiGet(napi_env env, napi_value exports);
void exportIterate(napi_env env, napi_value exports);
void exportIngest(napi_env env, napi_value exports);
void exportPackRows(napi_env env, napi_value exports);
void exportCopyRange(napi_env env, napi_value exports);
void exportDeleteRange(napi_env env, napi_value exports);
void exportSnapshot(napi_env env, napi_value exports);
void exportChecksum(napi_env env, napi_value exports);
void exportStatistics(napi_env env, napi_value exports);

}  // namespace millrace
