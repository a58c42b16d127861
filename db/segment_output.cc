#include "db/segment_output.h"

#include <utility>

#include "db/merging_iterator.h"
#include "db/shadowed_versions.h"
#include "util/filename.h"
#include "util/hash.h"
#include "util/planted.h"

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
    : options_(options),
      path_(SegmentFileName(options.directory, options.number)),
      ghost_path_(GhostFileName(options.directory, options.number)) {}

SegmentOutput::~SegmentOutput() {
  if (finished_) return;
  FileSystem* const file_system = options_.options->env.file_system.get();
  builder_.reset();
  ghost_.reset();
  if (file_ != nullptr) {
    file_->Close().ok();
    file_system->RemoveFile(path_).ok();  // what stays goes at the next open
  }
  if (ghost_file_ != nullptr) {
    ghost_file_->Close().ok();
    file_system->RemoveFile(ghost_path_).ok();
  }
}

Status SegmentOutput::Open(uint64_t expected_bytes) {
  FileSystem* const file_system = options_.options->env.file_system.get();
  Status status = file_system->NewWritableFile(path_, expected_bytes, &file_);
  if (!status.ok()) return status;
  builder_ = std::make_unique<SegmentBuilder>(BuilderOptions(options_, path_), file_.get());
  return options_.options->cache() ? OpenGhost() : Status::OK();
}

Status SegmentOutput::OpenGhost() {
  FileSystem* const file_system = options_.options->env.file_system.get();
  Status status = file_system->NewWritableFile(ghost_path_, /*expected_bytes=*/0, &ghost_file_);
  if (!status.ok()) return status;
  GhostBuilderOptions ghost;
  ghost.comparator = options_.options->comparator;
  ghost.number = options_.number;
  ghost.path = ghost_path_;
  ghost_ = std::make_unique<GhostBuilder>(ghost, ghost_file_.get());
  return Status::OK();
}

void SegmentOutput::AddToGhost(Slice user_key) {
  if (any_ghost_key_ && user_key == ghost_key_) return;
  any_ghost_key_ = true;
  ghost_key_.assign(user_key);
  ghost_->AddKey(Hash64(user_key));
}

Status SegmentOutput::Add(Slice internal_key, Slice value) {
  Status status = builder_->Add(internal_key, value);
  if (!status.ok()) return status;
  if (VARVE_PLANTED("ghost forgets deletes") &&
      TrailerType(ExtractTrailer(internal_key)) == ValueType::kDelete) {
    return status;
  }
  if (ghost_ != nullptr) AddToGhost(ExtractUserKey(internal_key));
  if (options_.now_ms != 0 &&
      TrailerType(ExtractTrailer(internal_key)) == ValueType::kValueWithExpiry &&
      value.size() >= kExpiresAtBytes && options_.now_ms < ExpiresAtOf(value)) {
    ++expiring_;
  }
  if (options_.limiter != nullptr && builder_->EstimatedFileBytes() > granted_bytes_) {
    options_.limiter->Request(kLimiterStepBytes, options_.priority);
    granted_bytes_ += kLimiterStepBytes;
  }
  return status;
}

Status SegmentOutput::AddRangeTombstone(Slice start, Slice end, SequenceNumber sequence) {
  Status status = builder_->AddRangeTombstone(start, end, sequence);
  if (VARVE_PLANTED("ghost forgets ranges")) return status;
  if (status.ok() && ghost_ != nullptr) status = ghost_->AddRangeTombstone(start, end, sequence);
  return status;
}

Status SegmentOutput::FinishGhost() {
  if (ghost_ == nullptr) return Status::OK();
  Status status = ghost_->Finish();
  if (status.ok() && !VARVE_PLANTED("ghost not synced")) status = ghost_file_->Sync();
  return status.ok() ? ghost_file_->Close() : status;
}

Status SegmentOutput::Finish(SegmentEntry* entry) {
  SegmentProperties properties;
  Status status = builder_->Finish(&properties);
  if (status.ok() && !VARVE_PLANTED("segment not synced")) status = file_->Sync();
  if (status.ok()) status = file_->Close();
  if (status.ok()) status = FinishGhost();
  if (status.ok() && !VARVE_PLANTED("segment name not synced")) {
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
    entry.expiring = expiring_;
    if (expiring_ != 0) entry.written_ms = options_.now_ms;
  }
  if (properties.range_deletes != 0) entry.flags |= kHasRangeDeletes;
  if (ghost_ != nullptr) {
    entry.flags |= kSegmentHasGhostFile;
    entry.ghost_bytes = ghost_->FileBytesMax();
  }
  entry.applied_to = options_.applied_to;
  return entry;
}

uint64_t HiddenEntries(const SegmentProperties& properties) {
  const uint64_t shown_max = properties.user_keys + properties.merges;
  return properties.entries > shown_max ? properties.entries - shown_max : 0;
}

namespace {

// The segments that one flush makes, each from the first key on that goes to it.
class FlushOutputs {
 public:
  FlushOutputs(const SegmentOutputOptions& options, Manifest* manifest, size_t outputs)
      : options_(options), manifest_(manifest), outputs_(outputs) {}

  void Expect(uint64_t bytes) { expected_bytes_ = bytes; }
  Status Add(size_t output, const MemTableEntry& entry) {
    if (outputs_[output] == nullptr) {
      if (Status status = Open(&outputs_[output]); !status.ok()) return status;
    }
    return outputs_[output]->Add(entry.internal_key, entry.value);
  }

  // With all of the range tombstones in each; where no key was kept, in one.
  Status Finish(const std::vector<RangeTombstone>& tombstones, std::vector<SegmentEntry>* entries) {
    Status status;
    if (!any_ && !tombstones.empty()) status = Open(&outputs_.front());
    for (std::unique_ptr<SegmentOutput>& output : outputs_) {
      if (output == nullptr) continue;
      for (const RangeTombstone& t : tombstones) {
        if (VARVE_PLANTED("ranges in one sibling") && !entries->empty()) break;
        if (status.ok()) status = output->AddRangeTombstone(t.start, t.end, t.sequence);
      }
      if (status.ok() && (output->entries() != 0 || output->range_deletes() != 0)) {
        SegmentEntry entry;
        status = output->Finish(&entry);
        if (status.ok()) entries->push_back(std::move(entry));
      }
      if (!status.ok()) return status;
    }
    return status;
  }

 private:
  Status Open(std::unique_ptr<SegmentOutput>* output) {
    SegmentOutputOptions options = options_;
    if (any_) {
      if (Status status = manifest_->NewFileNumber(&options.number); !status.ok()) return status;
    }
    any_ = true;
    *output = std::make_unique<SegmentOutput>(options);
    return (*output)->Open(expected_bytes_ / outputs_.size());
  }

  const SegmentOutputOptions& options_;
  Manifest* const manifest_;
  std::vector<std::unique_ptr<SegmentOutput>> outputs_;
  uint64_t expected_bytes_ = 0;
  bool any_ = false;  // one was opened, and has the number that was given
};

// The memtables, newest first, in one order.
std::unique_ptr<InternalIterator> Merged(const InternalKeyComparator& comparator,
                                         const std::vector<std::shared_ptr<MemTable>>& memtables) {
  std::vector<std::unique_ptr<InternalIterator>> children;
  for (const auto& memtable : memtables) children.push_back(memtable->NewIterator());
  return NewMergingIterator(comparator, std::move(children));
}

}  // namespace

Status ForEachKeptKey(const InternalKeyComparator& comparator, const ReadSequences& readers,
                      const std::vector<std::shared_ptr<MemTable>>& memtables,
                      const std::function<Status(std::span<const MemTableEntry>)>& visit) {
  const auto entries = Merged(comparator, memtables);
  ShadowedVersions shadowed(readers);
  std::vector<MemTableEntry> versions;  // of one key
  Status status;
  for (entries->SeekToFirst(); status.ok() && entries->Valid(); entries->Next()) {
    if (shadowed.Hides(entries->key())) continue;
    const MemTableEntry entry{entries->key(), entries->value()};
    if (!versions.empty() &&
        comparator.CompareUserKeys(ExtractUserKey(versions.front().internal_key),
                                   ExtractUserKey(entry.internal_key)) != 0) {
      status = visit(versions);
      versions.clear();
    }
    versions.push_back(entry);
  }
  if (status.ok()) status = entries->status();
  return status.ok() && !versions.empty() ? visit(versions) : status;
}

Status WriteMemtables(const SegmentOutputOptions& options, Manifest* manifest,
                      const ReadSequences& readers,
                      const std::vector<std::shared_ptr<MemTable>>& memtables, FlushCut* cut,
                      std::vector<SegmentEntry>* entries) {
  entries->clear();
  const InternalKeyComparator comparator(options.options->comparator);
  std::vector<RangeTombstone> tombstones;
  uint64_t expected_bytes = 0;
  for (const auto& memtable : memtables) {
    expected_bytes += memtable->bytes();
    const auto ranges = memtable->range_tombstones();
    if (ranges == nullptr) continue;
    for (RangeTombstone& t : ranges->Tombstones()) tombstones.push_back(std::move(t));
  }
  FlushOutputs outputs(options, manifest, cut == nullptr ? 1 : cut->outputs());
  outputs.Expect(expected_bytes);
  Status status;
  if (cut == nullptr) {
    const auto merged = Merged(comparator, memtables);
    ShadowedVersions shadowed(readers);
    for (merged->SeekToFirst(); status.ok() && merged->Valid(); merged->Next()) {
      if (!shadowed.Hides(merged->key())) status = outputs.Add(0, {merged->key(), merged->value()});
    }
    if (status.ok()) status = merged->status();
  } else {
    status = ForEachKeptKey(
        comparator, readers, memtables, [&](std::span<const MemTableEntry> versions) {
          const size_t output = cut->OutputFor(versions);
          Status added;
          for (size_t i = 0; added.ok() && i < versions.size(); ++i) {
            if (VARVE_PLANTED("versions split")) {
              added = outputs.Add(cut->OutputFor({&versions[i], 1}), versions[i]);
              continue;
            }
            added = outputs.Add(output, versions[i]);
          }
          return added;
        });
  }
  if (status.ok()) status = outputs.Finish(tombstones, entries);
  if (!status.ok()) {
    RemoveSegments(options.options->env.file_system.get(), options.directory, *entries);
    entries->clear();
  }
  return status;
}

void RemoveSegments(FileSystem* file_system, const std::string& directory,
                    std::span<const SegmentEntry> entries) {
  for (const SegmentEntry& entry : entries) {
    for (const NumberedFile& file : FilesOf(entry)) {
      file_system->RemoveFile(FileName(directory, file)).ok();
    }
  }
}

}  // namespace varve
