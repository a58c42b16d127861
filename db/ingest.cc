#include "db/ingest.h"

#include <algorithm>
#include <utility>

#include "db/external_segment.h"
#include "db/segment_output.h"
#include "db/version.h"
#include "util/crash_site.h"
#include "util/range_tombstones.h"

namespace varve {

Ingestion::Ingestion(const Options* options, const std::string& directory, RateLimiter* limiter,
                     const std::atomic<bool>* cancelled)
    : options_(*options), directory_(directory), limiter_(limiter), cancelled_(cancelled) {}

Ingestion::~Ingestion() {
  if (!installed_) RemoveOutputs();
}

void Ingestion::RemoveOutputs() {
  RemoveSegments(options_.env.file_system.get(), directory_, entries_);
  entries_.clear();
}

Status Ingestion::Open(const std::vector<std::string>& files, bool verify_checksums) {
  const InternalKeyComparator comparator(options_.comparator);
  SegmentReaderOptions reading;
  reading.comparator = options_.comparator;
  for (const std::string& path : files) {
    std::unique_ptr<RandomAccessFile> file;
    Status status = options_.env.file_system->NewRandomAccessFile(path, /*direct=*/false, &file);
    std::unique_ptr<SegmentReader> reader;
    if (status.ok()) status = SegmentReader::Open(reading, std::move(file), path, 0, &reader);
    if (!status.ok()) return status;
    const SegmentProperties& properties = reader->properties();
    if (properties.number != kExternalSegmentNumber ||
        (properties.sequence_max != 0 && (properties.sequence_min != kExternalSequence ||
                                          properties.sequence_max != kExternalSequence))) {
      return Status::InvalidArgument(path + ": not made by a SegmentWriter, but segment " +
                                     std::to_string(properties.number) + " of a database");
    }
    if (properties.merges > 0 && options_.merge_operator == nullptr) {
      return Status::InvalidArgument(path +
                                     ": holds merge operands, and there is no merge operator");
    }
    if (verify_checksums) status = reader->Verify();
    if (!status.ok()) return status;
    files_.push_back(path);
    if (properties.smallest_key.empty()) continue;  // nothing in it
    if (properties.smallest_key.size() < kTrailerBytes ||
        properties.largest_key.size() < kTrailerBytes) {
      return Status::Corruption(path + ": bounds without a trailer");
    }
    sources_.push_back(std::move(reader));
  }
  std::sort(sources_.begin(), sources_.end(), [&](const auto& a, const auto& b) {
    return comparator.Compare(a->properties().smallest_key, b->properties().smallest_key) < 0;
  });
  for (size_t i = 1; i < sources_.size(); ++i) {
    const Slice largest = sources_[i - 1]->properties().largest_key;
    const int order = comparator.CompareUserKeys(
        ExtractUserKey(largest), ExtractUserKey(sources_[i]->properties().smallest_key));
    const bool exclusive = ExtractTrailer(largest) == SegmentFile::kExclusiveTrailer;
    if (order < 0 || (order == 0 && exclusive)) continue;
    return Status::InvalidArgument(sources_[i]->path() + " and " + sources_[i - 1]->path() +
                                   ": their keys overlap");
  }
  return Status::OK();
}

Status Ingestion::Write(SequenceNumber sequence, const std::vector<FileNumber>& numbers,
                        Iterator* present) {
  CrashSiteScope ingesting(CrashSite::kIngestion);
  RemoveOutputs();
  Status status;
  for (size_t i = 0; status.ok() && i < sources_.size(); ++i) {
    status = WriteOne(*sources_[i], sequence, numbers[i], present);
  }
  return status;
}

Status Ingestion::WriteOne(const SegmentReader& source, SequenceNumber sequence, FileNumber number,
                           Iterator* present) {
  SegmentOutputOptions output;
  output.options = &options_;
  output.directory = directory_;
  output.creator = "ingestion";
  output.limiter = limiter_;
  output.priority = RateLimiter::Priority::kLow;
  output.number = number;
  SegmentOutput segment(output);
  Status status = segment.Open(source.properties().file_bytes);
  const auto entries = source.NewIterator({.verify_checksums = true, .fill_cache = false});
  std::string key;
  for (entries->SeekToFirst(); status.ok() && entries->Valid(); entries->Next()) {
    if (cancelled_->load(std::memory_order_relaxed)) {  // as a hint
      return Status::Aborted(directory_ + ": closed during an ingestion");
    }
    const Slice user_key = ExtractUserKey(entries->key());
    const ValueType type = TrailerType(ExtractTrailer(entries->key()));
    if (present != nullptr) {
      if (IsTombstone(type)) continue;
      present->Seek(user_key);
      if (status = present->status(); !status.ok()) break;
      if (present->Valid() && options_.comparator->Compare(present->key(), user_key) == 0) continue;
    }
    key.clear();
    AppendInternalKey(&key, user_key, PackTrailer(sequence, type));
    status = segment.Add(key, entries->value());
  }
  if (status.ok()) status = entries->status();
  if (const auto* ranges = source.range_tombstones(); ranges != nullptr && present == nullptr) {
    for (const RangeTombstone& range : ranges->Tombstones()) {
      if (status.ok()) status = segment.AddRangeTombstone(range.start, range.end, sequence);
    }
  }
  if (!status.ok() || segment.entries() + segment.range_deletes() == 0) return status;
  SegmentEntry entry;
  status = segment.Finish(&entry);
  if (status.ok()) entries_.push_back(std::move(entry));
  return status;
}

void Ingestion::RemoveSources() {
  FileSystem* const file_system = options_.env.file_system.get();
  for (const std::string& path : files_) {
    Status status = file_system->RemoveFile(path);
    if (status.ok()) status = file_system->SyncDirectory(ParentDirectory(path));
    if (!status.ok()) {
      options_.logger->Log(LogLevel::kWarning, "ingested, but not removed: " + status.ToString());
    }
  }
}

}  // namespace varve
