#include "db/segment_output.h"

#include <utility>

#include "db/merging_iterator.h"
#include "db/shadowed_versions.h"
#include "table/segment_builder.h"
#include "util/filename.h"

namespace varve {

namespace {

// How much is written between two looks at the rate limiter.
constexpr uint64_t kLimiterStepBytes = 256 << 10;

SegmentBuilderOptions BuilderOptions(const SegmentOutputOptions& output, const std::string& path) {
  const Options& options = *output.options;
  SegmentBuilderOptions builder;
  builder.comparator = options.comparator;
  builder.number = output.number;
  builder.path = path;
  builder.compression = options.compression;
  builder.block_bytes = options.block_bytes;
  builder.filter_bits_per_key = options.filter_bits_per_key;
  builder.created_ms = options.env.clock->WallMillis();
  builder.creator = output.creator;
  return builder;
}

Status AddEntries(const SegmentOutputOptions& output, InternalIterator* entries,
                  SegmentBuilder* builder) {
  ShadowedVersions shadowed(output.snapshots);
  uint64_t granted_bytes = 0;
  for (entries->SeekToFirst(); entries->Valid(); entries->Next()) {
    if (shadowed.Hides(entries->key())) continue;
    if (Status status = builder->Add(entries->key(), entries->value()); !status.ok()) {
      return status;
    }
    if (output.limiter != nullptr && builder->EstimatedFileBytes() > granted_bytes) {
      output.limiter->Request(kLimiterStepBytes, RateLimiter::Priority::kHigh);
      granted_bytes += kLimiterStepBytes;
    }
  }
  return entries->status();
}

SegmentEntry EntryFor(const SegmentOutputOptions& output, const SegmentProperties& properties) {
  SegmentEntry entry;
  entry.number = output.number;
  entry.epoch = output.epoch;
  entry.file_bytes = properties.file_bytes;
  entry.raw_bytes = properties.raw_key_bytes + properties.raw_value_bytes;
  entry.entries = properties.entries;
  entry.deletes = properties.deletes;
  entry.smallest_sequence = properties.sequence_min;
  entry.largest_sequence = properties.sequence_max;
  entry.smallest = properties.smallest_key;
  entry.largest = properties.largest_key;
  return entry;
}

}  // namespace

Status WriteMemtables(const SegmentOutputOptions& output,
                      const std::vector<std::shared_ptr<MemTable>>& memtables,
                      SegmentEntry* entry) {
  const Options& options = *output.options;
  FileSystem* const file_system = options.env.file_system.get();
  const std::string path = SegmentFileName(output.directory, output.number);

  std::vector<std::unique_ptr<InternalIterator>> children;
  uint64_t expected_bytes = 0;
  for (const auto& memtable : memtables) {
    children.push_back(memtable->NewIterator());
    expected_bytes += memtable->bytes();
  }
  const auto entries =
      NewMergingIterator(InternalKeyComparator(options.comparator), std::move(children));

  std::unique_ptr<WritableFile> file;
  Status status = file_system->NewWritableFile(path, expected_bytes, &file);
  if (!status.ok()) return status;
  SegmentProperties properties;
  {
    SegmentBuilder builder(BuilderOptions(output, path), file.get());
    status = AddEntries(output, entries.get(), &builder);
    if (status.ok()) status = builder.Finish(&properties);
  }
  if (status.ok()) status = file->Sync();
  const Status closed = file->Close();
  if (status.ok()) status = closed;
  if (status.ok()) status = file_system->SyncDirectory(output.directory);
  if (!status.ok()) {
    file_system->RemoveFile(path).ok();  // what stays goes at the next open
    return status;
  }
  *entry = EntryFor(output, properties);
  return Status::OK();
}

}  // namespace varve
