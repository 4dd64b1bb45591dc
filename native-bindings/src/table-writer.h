// Writing table files outside the database and taking them in.
#pragma once

#include <rocksdb/sst_file_writer.h>

#include <string>
#include <vector>

#include "database.h"
#include "packed-entries.h"

namespace millrace {

// Sorts the entries of the buffers and writes them to one table file. Where a key occurs twice the later one counts.
// `*entries` is the number written; with none there is no file. Looks at `closing()` now and then.
rocksdb::Status writeTable(const Database& database, const std::vector<PackedReader>& buffers,
                           const std::string& path, uint64_t* entries);

// Moves table files, made by this binding and disjoint, into the database above everything in it.
rocksdb::Status ingestTables(Database* database, const std::vector<std::string>& paths);

rocksdb::EnvOptions tableEnvOptions();

}  // namespace millrace
