#include "db/segment_output.h"

#include <utility>

#include "db/merging_iterator.h"
#include "db/shadowed_versions.h"
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
  builder.prefix_extractor = options.prefix_extractor.get();
  if (options.merge_operator != nullptr) builder.merge_operator = options.merge_operator->Name();
  return builder;
}

}  // namespace

SegmentOutput::SegmentOutput(const SegmentOutputOptions& options)
    : options_(options), path_(SegmentFileName(options.directory, options.number)) {}

SegmentOutput::~SegmentOutput() {
  if (file_ == nullptr || finished_) return;
  builder_.reset();
  file_->Close().ok();
  options_.options->env.file_system->RemoveFile(path_).ok();  // what stays goes at the next open
}

Status SegmentOutput::Open(uint64_t expected_bytes) {
  FileSystem* const file_system = options_.options->env.file_system.get();
  Status status = file_system->NewWritableFile(path_, expected_bytes, &file_);
  if (!status.ok()) return status;
  builder_ = std::make_unique<SegmentBuilder>(BuilderOptions(options_, path_), file_.get());
  return Status::OK();
}

Status SegmentOutput::Add(Slice internal_key, Slice value) {
  Status status = builder_->Add(internal_key, value);
  if (status.ok() && options_.limiter != nullptr &&
      builder_->EstimatedFileBytes() > granted_bytes_) {
    options_.limiter->Request(kLimiterStepBytes, options_.priority);
    granted_bytes_ += kLimiterStepBytes;
  }
  return status;
}

Status SegmentOutput::Finish(SegmentEntry* entry) {
  SegmentProperties properties;
  Status status = builder_->Finish(&properties);
  if (status.ok()) status = file_->Sync();
  if (status.ok()) status = file_->Close();
  if (status.ok()) {
    status = options_.options->env.file_system->SyncDirectory(options_.directory);
  }
  if (!status.ok()) return status;
  finished_ = true;
  *entry = EntryFor(properties);
  return Status::OK();
}

SegmentEntry SegmentOutput::EntryFor(const SegmentProperties& properties) const {
  SegmentEntry entry;
  entry.number = options_.number;
  entry.level = options_.level;
  entry.epoch = options_.epoch;
  entry.file_bytes = properties.file_bytes;
  entry.raw_bytes = properties.raw_key_bytes + properties.raw_value_bytes;
  entry.entries = properties.entries;
  entry.deletes = properties.deletes;
  entry.hidden = HiddenEntries(properties);
  entry.smallest_sequence = properties.sequence_min;
  entry.largest_sequence = properties.sequence_max;
  entry.smallest = properties.smallest_key;
  entry.largest = properties.largest_key;
  if (properties.entries_with_expiry != 0) {
    entry.flags |= kHasExpiry;
    entry.min_expires_at = properties.expires_at_min;
    entry.max_expires_at = properties.expires_at_max;
    if (properties.entries_with_expiry == properties.entries) entry.flags |= kAllExpire;
  }
  if (properties.range_deletes != 0) entry.flags |= kHasRangeDeletes;
  return entry;
}

uint64_t HiddenEntries(const SegmentProperties& properties) {
  const uint64_t shown_max = properties.user_keys + properties.merges;
  return properties.entries > shown_max ? properties.entries - shown_max : 0;
}

Status WriteMemtables(const SegmentOutputOptions& options, const ReadSequences& readers,
                      const std::vector<std::shared_ptr<MemTable>>& memtables,
                      std::optional<SegmentEntry>* entry) {
  entry->reset();
  std::vector<std::unique_ptr<InternalIterator>> children;
  uint64_t expected_bytes = 0;
  for (const auto& memtable : memtables) {
    children.push_back(memtable->NewIterator());
    expected_bytes += memtable->bytes();
  }
  const auto entries =
      NewMergingIterator(InternalKeyComparator(options.options->comparator), std::move(children));
  ShadowedVersions shadowed(readers);
  SegmentOutput output(options);
  Status status = output.Open(expected_bytes);
  for (const auto& memtable : memtables) {
    const auto ranges = memtable->range_tombstones();
    if (ranges == nullptr) continue;
    for (const RangeTombstone& t : ranges->Tombstones()) {
      if (status.ok()) status = output.AddRangeTombstone(t.start, t.end, t.sequence);
    }
  }
  for (entries->SeekToFirst(); status.ok() && entries->Valid(); entries->Next()) {
    if (!shadowed.Hides(entries->key())) status = output.Add(entries->key(), entries->value());
  }
  if (status.ok()) status = entries->status();
  if (!status.ok() || (output.entries() == 0 && output.range_deletes() == 0)) return status;
  SegmentEntry made;
  status = output.Finish(&made);
  if (status.ok()) *entry = std::move(made);
  return status;
}

}  // namespace varve
