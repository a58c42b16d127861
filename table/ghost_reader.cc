#include "table/ghost_reader.h"

#include <cmath>
#include <utility>

#include "table/compression.h"
#include "table/ghost_format.h"
#include "table/range_tombstone_block.h"
#include "table/segment_format.h"
#include "table/stored_block.h"

namespace varve {

namespace {

// The content of a block whose stored bytes lie at `offset`.
Status CheckBlock(const SegmentSource& source, Slice stored, uint64_t offset, Slice* content) {
  Compression compression;
  if (Status s = CheckStored(source, stored, offset, true, &compression); !s.ok()) return s;
  if (compression != Compression::kNone) {
    return source.Corrupt("compression of a block", offset,
                          "expected 0, found " + std::to_string(static_cast<int>(compression)));
  }
  *content = stored.substr(0, stored.size() - kBlockTrailerBytes);
  return Status::OK();
}

}  // namespace

Status GhostReader::Open(const Comparator* comparator, std::unique_ptr<RandomAccessFile> file,
                         std::string path, FileNumber number,
                         std::unique_ptr<GhostReader>* reader) {
  std::unique_ptr<GhostReader> opened(new GhostReader(std::move(path)));
  if (Status s = opened->Load(comparator, *file, number); !s.ok()) return s;
  *reader = std::move(opened);
  return Status::OK();
}

Status GhostReader::Load(const Comparator* comparator, const RandomAccessFile& file,
                         FileNumber number) {
  SegmentSource source;
  source.file = &file;
  source.path = path_;
  uint64_t file_bytes;
  if (Status s = file.Size(&file_bytes); !s.ok()) return s;
  if (file_bytes < kGhostFooterBytes) {
    return source.Corrupt("size of the ghost", 0,
                          "expected at least " + std::to_string(kGhostFooterBytes) + ", found " +
                              std::to_string(file_bytes));
  }
  // The footer first, so that no damaged size asks for memory; then the rest of the file at once.
  const uint64_t footer_offset = file_bytes - kGhostFooterBytes;
  RangeRead footer_read(file, footer_offset, kGhostFooterBytes);
  footer_read.Run(file);
  Slice bytes;
  if (Status s = footer_read.Result(source, &bytes); !s.ok()) return s;
  if (Status s = GhostFooter::Decode(bytes, file_bytes, &footer_); !s.ok()) {
    return s.WithContext(path_);
  }
  source.number = footer_.number;
  if (number != 0 && footer_.number != number) {
    return source.Corrupt(
        "ghost number", footer_offset + kGhostFooterNumber,
        "expected " + std::to_string(number) + ", found " + std::to_string(footer_.number));
  }
  RangeRead read(file, 0, footer_offset);
  read.Run(file);
  if (Status s = read.Result(source, &bytes); !s.ok()) return s;

  Slice content;
  if (Status s = CheckBlock(source, bytes.substr(0, footer_.hash_set_bytes), 0, &content);
      !s.ok()) {
    return s;
  }
  hash_set_bytes_.reserve(content.size() + HashSet::kSlackBytes);
  hash_set_bytes_.assign(content).append(HashSet::kSlackBytes, '\0');
  if (const char* wrong = hashes_.Parse(Slice(hash_set_bytes_).substr(0, content.size()))) {
    return source.Corrupt("hash set", 0, wrong);
  }

  const uint64_t at = footer_.hash_set_bytes;
  if (footer_.range_tombstone_bytes == 0) return Status::OK();
  if (Status s = CheckBlock(source, bytes.substr(at), at, &content); !s.ok()) return s;
  std::vector<RangeTombstone> tombstones;
  const char* wrong = DecodeRangeTombstones(content, &tombstones);
  if (wrong == nullptr && tombstones.empty()) wrong = "an empty block";
  if (wrong == nullptr && comparator != nullptr) {
    wrong = CheckRangeTombstones(InternalKeyComparator(comparator), tombstones);
  }
  if (wrong != nullptr) return source.Corrupt("range tombstones", at, wrong);
  if (comparator == nullptr) {
    listed_ = std::move(tombstones);
  } else {
    range_tombstones_ = std::make_unique<const FragmentedRangeTombstones>(
        InternalKeyComparator(comparator), std::move(tombstones));
  }
  return Status::OK();
}

double GhostReader::false_positive_rate() const {
  return hashes_.keys() == 0 ? 0 : std::ldexp(1.0, -hashes_.remainder_bits());
}

size_t GhostReader::memory_bytes() const {
  return sizeof(*this) + path_.capacity() + hash_set_bytes_.capacity() +
         (range_tombstones_ != nullptr ? range_tombstones_->memory_bytes() : 0);
}

Status GhostReader::Verify() const {
  if (const char* wrong = hashes_.Check()) {
    return Status::Corruption(path_ + ": hash set at offset 0: " + wrong);
  }
  return Status::OK();
}

}  // namespace varve
