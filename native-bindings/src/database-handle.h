// The JavaScript handle of an open database: an external with a type tag that keeps the database, and an environment
// clean-up hook that closes it when a worker ends without having done so.
#pragma once

#include <memory>

#include "database.h"
#include "napi-support.h"

namespace millrace {

napi_value makeDatabaseHandle(napi_env env, std::shared_ptr<Database> database);
// nullptr, with an exception pending, where the argument is not such a handle.
std::shared_ptr<Database> databaseArgument(Arguments& arguments, size_t index);

}  // namespace millrace
