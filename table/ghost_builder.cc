#include "table/ghost_builder.h"

#include <algorithm>
#include <utility>

#include "table/compression.h"
#include "table/ghost_footer.h"
#include "table/ghost_format.h"
#include "table/range_tombstone_block.h"
#include "table/segment_format.h"
#include "table/stored_block.h"
#include "util/coding.h"

namespace varve {

namespace {

// Makes content that ends *file a block.
void AppendTrailer(FileNumber number, uint64_t offset, std::string* file) {
  constexpr uint8_t kNone = static_cast<uint8_t>(Compression::kNone);
  const uint32_t checksum =
      StoredChecksum(Slice(*file).substr(offset), Slice(), kNone, number, offset);
  file->push_back(static_cast<char>(kNone));
  PutFixed32(file, checksum);
}

}  // namespace

GhostBuilder::GhostBuilder(const GhostBuilderOptions& options, WritableFile* file)
    : options_(options), file_(file), keys_(options.remainder_bits) {}

Status GhostBuilder::AddRangeTombstone(Slice start, Slice end, SequenceNumber sequence) {
  const auto refuse = [&](const std::string& what) {
    return Status::InvalidArgument(options_.path + ": range tombstone: " + what);
  };
  if (start.size() > kUserKeyBytesMax || end.size() > kUserKeyBytesMax) {
    return refuse("key of " + std::to_string(std::max(start.size(), end.size())) +
                  " bytes is over " + std::to_string(kUserKeyBytesMax));
  }
  if (sequence == 0 || sequence > kMaxSequence) {
    return refuse("sequence " + std::to_string(sequence) + " is out of range");
  }
  range_tombstones_.push_back({std::string(start), std::string(end), sequence});
  if (range_tombstone_bytes_ == 0) range_tombstone_bytes_ = kBlockTrailerBytes;
  range_tombstone_bytes_ +=
      start.size() + end.size() + 2 * kVarint32BytesMax + VarintLength(sequence);
  return Status::OK();
}

uint64_t GhostBuilder::FileBytesMax() const {
  if (file_->size() != 0) return file_->size();
  return keys_.ContentBytes() + kBlockTrailerBytes + range_tombstone_bytes_ + kGhostFooterBytes;
}

Status GhostBuilder::Finish() {
  if (keys_.keys() > kHashSetKeysMax) {
    return Status::InvalidArgument(options_.path + ": " + std::to_string(keys_.keys()) +
                                   " keys are more than a ghost has room for");
  }
  std::string bytes;
  keys_.Finish(&bytes);
  GhostFooter footer;
  footer.number = options_.number;
  AppendTrailer(options_.number, 0, &bytes);
  footer.hash_set_bytes = bytes.size();

  const FragmentedRangeTombstones fragmented(InternalKeyComparator(options_.comparator),
                                             std::move(range_tombstones_));
  if (!fragmented.empty()) {
    EncodeRangeTombstones(fragmented.Tombstones(), &bytes);
    AppendTrailer(options_.number, footer.hash_set_bytes, &bytes);
    footer.range_tombstone_bytes = bytes.size() - footer.hash_set_bytes;
  }
  footer.file_bytes = bytes.size() + kGhostFooterBytes;
  footer.EncodeTo(&bytes);
  return file_->Append(bytes);
}

}  // namespace varve
