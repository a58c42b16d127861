#include "varve/segment_writer.h"

#include <utility>

#include "db/external_segment.h"
#include "table/segment_builder.h"
#include "util/filename.h"
#include "varve/merge_operator.h"
#include "varve/write_batch.h"

namespace varve {

struct SegmentWriter::Rep {
  Options options;
  std::string path;
  std::unique_ptr<WritableFile> file;
  std::unique_ptr<SegmentBuilder> builder;
  Status status;  // of the file
  bool finished = false;
  bool any_key = false;
  std::string last_key;
  std::string internal_key;

  Status Begin() {
    if (builder != nullptr || !status.ok()) return status;
    status = options.env.file_system->NewWritableFile(path, 0, &file);
    if (!status.ok()) return status;
    SegmentBuilderOptions built;
    built.comparator = options.comparator;
    built.number = kExternalSegmentNumber;
    built.path = path;
    built.compression = options.compression;
    built.block_bytes = options.block_bytes;
    built.filter_bits_per_key = options.filter_bits_per_key;
    built.created_ms = options.env.clock->WallMillis();
    built.creator = "segment writer";
    built.prefix_extractor = options.prefix_extractor.get();
    if (options.merge_operator != nullptr) built.merge_operator = options.merge_operator->Name();
    builder = std::make_unique<SegmentBuilder>(built, file.get());
    return status;
  }

  Status CheckUsable() const {
    return finished ? Status::InvalidArgument(path + ": finished already") : status;
  }

  Status Add(ValueType type, Slice key, Slice value) {
    if (Status s = CheckUsable(); !s.ok()) return s;
    if (key.size() > WriteBatch::kKeyBytesMax || value.size() > WriteBatch::kValueBytesMax) {
      return Status::InvalidArgument(path + ": a key of " + std::to_string(key.size()) +
                                     " bytes with a value of " + std::to_string(value.size()) +
                                     " is over the limit");
    }
    if (any_key && options.comparator->Compare(last_key, key) >= 0) {
      return Status::InvalidArgument(path + ": the keys are not strictly ascending");
    }
    if (Status s = Begin(); !s.ok()) return s;
    internal_key.clear();
    AppendInternalKey(&internal_key, key, PackTrailer(kExternalSequence, type));
    status = builder->Add(internal_key, value);
    any_key = true;
    last_key.assign(key);
    return status;
  }
};

SegmentWriter::SegmentWriter(const Options& options, const std::string& path)
    : rep_(std::make_unique<Rep>()) {
  rep_->options = options;
  rep_->path = path;
  rep_->status = options.Validate();
  const Env defaults = Env::Default();
  Env& env = rep_->options.env;
  if (env.file_system == nullptr) env.file_system = defaults.file_system;
  if (env.clock == nullptr) env.clock = defaults.clock;
}

SegmentWriter::~SegmentWriter() {
  if (rep_->file == nullptr || rep_->finished) return;
  rep_->builder.reset();
  rep_->file->Close().ok();
  rep_->options.env.file_system->RemoveFile(rep_->path).ok();
}

Status SegmentWriter::Put(Slice key, Slice value) {
  return rep_->Add(ValueType::kValue, key, value);
}

Status SegmentWriter::Delete(Slice key) { return rep_->Add(ValueType::kDelete, key, {}); }

Status SegmentWriter::Merge(Slice key, Slice operand) {
  if (rep_->options.merge_operator == nullptr) {
    return Status::InvalidArgument(rep_->path + ": Merge without Options.merge_operator");
  }
  return rep_->Add(ValueType::kMerge, key, operand);
}

Status SegmentWriter::DeleteRange(Slice start, Slice end) {
  if (Status s = rep_->CheckUsable(); !s.ok()) return s;
  if (start.size() > WriteBatch::kKeyBytesMax || end.size() > WriteBatch::kKeyBytesMax ||
      rep_->options.comparator->Compare(start, end) > 0) {
    return Status::InvalidArgument(rep_->path + ": DeleteRange of no range, or over the limit");
  }
  if (Status s = rep_->Begin(); !s.ok()) return s;
  return rep_->status = rep_->builder->AddRangeTombstone(start, end, kExternalSequence);
}

Status SegmentWriter::Finish(ExternalFileInfo* info) {
  if (Status s = rep_->CheckUsable(); !s.ok()) return s;
  Status& status = rep_->status;
  SegmentProperties properties;
  if (status = rep_->Begin(); status.ok()) status = rep_->builder->Finish(&properties);
  if (status.ok()) status = rep_->file->Sync();
  if (status.ok()) status = rep_->file->Close();
  if (status.ok()) {
    status = rep_->options.env.file_system->SyncDirectory(ParentDirectory(rep_->path));
  }
  if (!status.ok()) return status;
  rep_->finished = true;
  if (info != nullptr) {
    *info = {rep_->path, properties.file_bytes, properties.entries, properties.range_deletes};
  }
  return status;
}

}  // namespace varve
