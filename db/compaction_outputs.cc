#include "db/compaction_outputs.h"

#include <algorithm>
#include <utility>

namespace varve {

CompactionOutputs::CompactionOutputs(const CompactionPlan& plan,
                                     const SegmentOutputOptions& segment, Manifest* manifest,
                                     CompactionIterator* entries, const std::string* begin,
                                     const std::string* end)
    : plan_(plan),
      segment_(segment),
      comparator_(segment.options->comparator),
      manifest_(manifest),
      entries_(entries),
      end_(end),
      has_lower_(begin != nullptr),
      lower_(begin == nullptr ? "" : *begin) {}

Status CompactionOutputs::WriteAll() {
  Status status;
  for (; status.ok() && entries_->Valid(); entries_->Next()) {
    const Slice user_key = ExtractUserKey(entries_->key());
    if (!any_ || comparator_.CompareUserKeys(user_key, last_user_key_) != 0) {
      if (ShouldCutBefore(user_key)) {
        const std::string cut(user_key);
        status = FinishOutput(&cut);
        if (!status.ok()) break;
      }
      last_user_key_.assign(user_key);
      any_ = true;
    }
    if (output_ == nullptr) status = OpenOutput();
    if (status.ok()) status = output_->Add(entries_->key(), entries_->value());
  }
  if (status.ok()) status = entries_->status();
  if (status.ok()) status = FinishOutput(end_);
  if (!status.ok()) output_.reset();
  return status;
}

bool CompactionOutputs::ShouldCutBefore(Slice user_key) {
  uint64_t passed_bytes = 0;
  bool at_edge = false;
  while (grandparent_ < plan_.grandparents.size() &&
         plan_.grandparents[grandparent_]->IsBefore(comparator_, user_key)) {
    passed_bytes += plan_.grandparents[grandparent_]->file_bytes();
    at_edge = true;
    ++grandparent_;
  }
  if (output_ == nullptr) return false;  // what lies before the first entry is not overlapped
  const uint64_t bytes = output_->EstimatedFileBytes();
  if (bytes >= plan_.segment_bytes || (at_edge && bytes >= plan_.segment_bytes / 2) ||
      grandparent_bytes_ + passed_bytes > plan_.grandparent_bytes_max) {
    return true;
  }
  grandparent_bytes_ += passed_bytes;
  return false;
}

Status CompactionOutputs::OpenOutput() {
  Status status = manifest_->NewFileNumber(&segment_.number);
  if (!status.ok()) return status;
  output_ = std::make_unique<SegmentOutput>(segment_);
  return output_->Open(std::min(plan_.segment_bytes, plan_.input_bytes()));
}

Status CompactionOutputs::FinishOutput(const std::string* upper) {
  const std::vector<RangeTombstone> tombstones =
      entries_->KeptTombstones(has_lower_ ? &lower_ : nullptr, upper);
  if (output_ == nullptr && !tombstones.empty()) {
    if (Status status = OpenOutput(); !status.ok()) return status;
  }
  if (output_ != nullptr) {
    Status status;
    for (size_t i = 0; status.ok() && i < tombstones.size(); ++i) {
      const RangeTombstone& tombstone = tombstones[i];
      status = output_->AddRangeTombstone(tombstone.start, tombstone.end, tombstone.sequence);
    }
    SegmentEntry entry;
    if (status.ok()) status = output_->Finish(&entry);
    output_.reset();
    if (!status.ok()) return status;
    made_.push_back(std::move(entry));
  }
  if (upper != nullptr) {
    has_lower_ = true;
    lower_ = *upper;
  }
  grandparent_bytes_ = 0;
  return Status::OK();
}

}  // namespace varve
