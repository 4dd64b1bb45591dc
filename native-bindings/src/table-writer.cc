#include "table-writer.h"

#include <rocksdb/env.h>

#include <algorithm>

#include "key-order.h"

namespace millrace {

namespace {

constexpr uint64_t kPollEvery = 1024;

struct Point {
  OrderedKey key;
  rocksdb::Slice value;
  bool tombstone;
  bool operator<(const Point& other) const { return key < other.key; }
};

struct Range {
  rocksdb::Slice begin, end;
};

rocksdb::Status collect(const std::vector<PackedReader>& buffers, std::vector<Point>* points,
                        std::vector<Range>* ranges) {
  PackedEntry entry;
  for (PackedReader reader : buffers) {
    while (reader.next(&entry)) {
      if (entry.range) {
        ranges->push_back(Range{entry.key, entry.value});
      } else {
        points->push_back(Point{orderedKey(entry.key, points->size()), entry.value, entry.tombstone});
      }
    }
    if (reader.corrupt()) return rocksdb::Status::InvalidArgument("packed entries are cut");
  }
  return rocksdb::Status::OK();
}

rocksdb::Status writePoints(const Database& database, const std::vector<Point>& points,
                            rocksdb::SstFileWriter* writer, uint64_t* entries) {
  for (size_t index = 0; index < points.size(); index++) {
    if (index % kPollEvery == 0 && database.closing()) return closedStatus();
    const Point& point = points[index];
    if (index + 1 < points.size() && points[index + 1].key.key == point.key.key) continue;
    rocksdb::Status status =
        point.tombstone ? writer->Delete(point.key.key) : writer->Put(point.key.key, point.value);
    if (!status.ok()) return status;
    *entries += 1;
  }
  return rocksdb::Status::OK();
}

}  // namespace

rocksdb::EnvOptions tableEnvOptions() { return rocksdb::EnvOptions(); }

rocksdb::Status writeTable(const Database& database, const std::vector<PackedReader>& buffers,
                           const std::string& path, uint64_t* entries) {
  std::vector<Point> points;
  std::vector<Range> ranges;
  rocksdb::Status status = collect(buffers, &points, &ranges);
  *entries = 0;
  if (!status.ok() || (points.empty() && ranges.empty())) return status;
  std::sort(points.begin(), points.end());

  rocksdb::SstFileWriter writer(tableEnvOptions(), database.options(), nullptr, false);
  status = writer.Open(path);
  if (status.ok()) status = writePoints(database, points, &writer, entries);
  // A range tombstone does not touch the points of its own file: they were written after it.
  for (size_t index = 0; status.ok() && index < ranges.size(); index++) {
    status = writer.DeleteRange(ranges[index].begin, ranges[index].end);
    *entries += 1;
  }
  if (status.ok()) status = writer.Finish();
  if (!status.ok()) (void)rocksdb::Env::Default()->DeleteFile(path);
  return status;
}

rocksdb::Status ingestTables(Database* database, const std::vector<std::string>& paths) {
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  options.snapshot_consistency = false;
  options.write_global_seqno = false;  // the file must stay as it was written: checkpoints link it
  options.verify_file_checksum = false;
  return database->db()->IngestExternalFile(paths, options);
}

}  // namespace millrace
