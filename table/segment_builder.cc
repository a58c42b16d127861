#include "table/segment_builder.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "table/block_builder.h"
#include "table/compression.h"
#include "table/filter.h"
#include "table/footer.h"
#include "table/index.h"
#include "table/range_tombstone_block.h"
#include "table/segment_format.h"
#include "table/stored_block.h"
#include "util/hash.h"

// Building a segment.
//
//  1. Add collects entries in a BlockBuilder. A block is cut before the entry with which it would
//     pass its limit; an entry that alone passes it becomes a block of its own.
//  2. The limit is block_bytes less the trailer. Without compression it is less where the device
//     page in which the block starts has less room: the block is then cut to end in that page, as
//     long as half of block_bytes remains.
//  3. Before a finished block stands padding, at most kBlockPaddingMax bytes, if it then touches
//     one device page less.
//  4. The separator of a block is found when the next one begins: its first key is known then.
//  5. Finish writes filter, index, range tombstones if there are any, properties and footer.

namespace varve {

namespace {

constexpr size_t kOutputBufferBytes = 256 * 1024;
// A value from here on is written from where the caller has it, without copies in between.
constexpr size_t kDirectValueBytes = 256 * 1024;

uint64_t PagesTouched(uint64_t offset, uint64_t size) {
  return (offset % kDevicePageBytes + size + kDevicePageBytes - 1) / kDevicePageBytes;
}

// Bytes to leave before a block of `size` bytes at `offset`.
uint64_t PaddingBefore(uint64_t offset, uint64_t size) {
  const uint64_t to_page = (kDevicePageBytes - offset % kDevicePageBytes) % kDevicePageBytes;
  return to_page <= kBlockPaddingMax && PagesTouched(0, size) < PagesTouched(offset, size) ? to_page
                                                                                           : 0;
}

}  // namespace

struct SegmentBuilder::Rep {
  Rep(const SegmentBuilderOptions& o, WritableFile* f)
      : options(o),
        file(f),
        comparator(o.comparator),
        identical(o.comparator->EqualMeansIdentical()),
        filtered(identical && o.filter_bits_per_key > 0),
        prefixes(filtered ? o.prefix_extractor : nullptr),
        block(identical),
        compressor(o.compression),
        filter(o.filter_bits_per_key),
        index(comparator.bytewise()) {
    output.reserve(kOutputBufferBytes + 2 * o.block_bytes);
  }

  const SegmentBuilderOptions options;
  WritableFile* const file;
  const InternalKeyComparator comparator;
  const bool identical;
  const bool filtered;
  const PrefixExtractor* const prefixes;  // null: the filter holds none

  Status status;
  bool finished = false;
  SegmentProperties properties;

  BlockBuilder block;
  uint64_t block_limit = 0;  // of the content of the block being built
  std::string last_key;      // the last one added, if there is one
  BlockCompressor compressor;
  FilterBuilder filter;
  std::optional<std::string> last_prefix;  // the last one in the filter
  IndexBuilder index;

  uint32_t incompat = 0;  // features that the entries need
  std::vector<RangeTombstone> range_tombstones;
  size_t range_tombstone_bytes = 0;  // of their block, about

  // The last block written, until its separator is known.
  bool pending = false;
  BlockHandle pending_handle;
  uint64_t pending_padding = 0;

  uint64_t offset = 0;  // of the next byte, buffered ones counted
  std::string output;   // not yet appended to the file
  std::string content;  // of a block; kept for its memory

  Status CheckKey(Slice internal_key, Slice value, bool* new_user_key) const;
  void StartBlock();
  void Write(Slice bytes);
  void FlushOutput();
  BlockHandle WriteStored(Slice content, Slice tail, Compression compression);
  void FinishBlock();
  void WriteDataBlock(Slice content, Slice tail);
  void AddLargeEntry(Slice internal_key, Slice value);
  void AddSeparator(Slice next_key);
  void AddToFilter(Slice user_key, uint64_t hash);
  BlockHandle WriteRangeTombstones();
  // Keeps the first error and returns it.
  const Status& Latch(Status s) {
    if (status.ok()) status = std::move(s);
    return status;
  }
};

SegmentBuilder::SegmentBuilder(const SegmentBuilderOptions& options, WritableFile* file)
    : rep_(std::make_unique<Rep>(options, file)) {}

SegmentBuilder::~SegmentBuilder() = default;

Status SegmentBuilder::status() const { return rep_->status; }

uint64_t SegmentBuilder::entries() const { return rep_->properties.entries; }

uint64_t SegmentBuilder::EstimatedFileBytes() const {
  const Rep& r = *rep_;
  if (r.finished) return r.offset;
  constexpr uint64_t kPropertiesBytes = 256;
  return r.offset + r.block.EstimatedBytes() + (r.filtered ? r.filter.EstimatedBytes() : 0) +
         r.index.EstimatedBytes() + r.range_tombstone_bytes + kPropertiesBytes +
         2 * r.last_key.size() + kFooterBytes;
}

uint64_t SegmentBuilder::range_deletes() const {
  return rep_->finished ? rep_->properties.range_deletes : rep_->range_tombstones.size();
}

// ---- Output ------------------------------------------------------------------------------------

void SegmentBuilder::Rep::FlushOutput() {
  if (status.ok() && !output.empty()) {
    Latch(file->Append(output));
  }
  output.clear();
}

void SegmentBuilder::Rep::Write(Slice bytes) {
  offset += bytes.size();
  if (bytes.size() >= kDirectValueBytes) {
    FlushOutput();
    if (status.ok()) Latch(file->Append(bytes));
    return;
  }
  output.append(bytes);
  if (output.size() >= kOutputBufferBytes) FlushOutput();
}

BlockHandle SegmentBuilder::Rep::WriteStored(Slice stored, Slice tail, Compression compression) {
  const BlockHandle handle{offset, stored.size() + tail.size() + kBlockTrailerBytes};
  const uint8_t type = static_cast<uint8_t>(compression);
  char trailer[kBlockTrailerBytes];
  trailer[0] = static_cast<char>(type);
  EncodeFixed32(trailer + 1, StoredChecksum(stored, tail, type, options.number, offset));
  Write(stored);
  if (!tail.empty()) Write(tail);
  Write(Slice(trailer, sizeof(trailer)));
  return handle;
}

// ---- Data blocks -------------------------------------------------------------------------------

void SegmentBuilder::Rep::StartBlock() {
  uint64_t limit = std::max(options.block_bytes, kBlockTrailerBytes + 1);
  if (options.compression == Compression::kNone) {
    // How far the block may reach and touch no page more than one of full size at a page's start.
    const uint64_t in_page = offset % kDevicePageBytes;
    const uint64_t pages = PagesTouched(0, limit);
    const uint64_t room = pages * kDevicePageBytes - in_page;
    if (kDevicePageBytes - in_page > kBlockPaddingMax && room >= limit / 2) {
      limit = std::min(limit, room);
    }
  }
  block_limit = limit - kBlockTrailerBytes;
}

void SegmentBuilder::Rep::FinishBlock() {
  block.Finish(&content);
  WriteDataBlock(content, Slice());
}

void SegmentBuilder::Rep::WriteDataBlock(Slice raw, Slice tail) {
  Compression compression = Compression::kNone;
  Slice stored = raw;
  if (tail.empty() && compressor.Compress(raw, &stored)) compression = options.compression;

  const uint64_t stored_bytes = stored.size() + tail.size() + kBlockTrailerBytes;
  const uint64_t padding = PaddingBefore(offset, stored_bytes);
  if (padding > 0) {
    static constexpr char kZeros[kBlockPaddingMax] = {};
    Write(Slice(kZeros, padding));
  }
  pending_handle = WriteStored(stored, tail, compression);
  pending_padding = padding;
  pending = true;
  properties.data_blocks++;
  properties.block_raw_bytes_max =
      std::max<uint64_t>(properties.block_raw_bytes_max, raw.size() + tail.size());
}

void SegmentBuilder::Rep::AddLargeEntry(Slice internal_key, Slice value) {
  std::string head;
  BlockBuilder::EncodeSingle(internal_key, &head);
  if (options.compression != Compression::kNone && value.size() <= kCompressedRawBytesMax) {
    head.append(value);
    WriteDataBlock(head, Slice());
  } else {
    WriteDataBlock(head, value);
  }
}

void SegmentBuilder::Rep::AddSeparator(Slice next_key) {
  const Slice last_user_key = ExtractUserKey(last_key);
  if (next_key.empty()) {
    index.Add(pending_handle, pending_padding, last_user_key, ExtractTrailer(last_key));
  } else {
    const Slice next_user_key = ExtractUserKey(next_key);
    if (comparator.CompareUserKeys(last_user_key, next_user_key) == 0) {
      index.Add(pending_handle, pending_padding, last_user_key, ExtractTrailer(last_key));
    } else if (comparator.bytewise()) {
      std::string separator(last_user_key);
      comparator.user_comparator()->FindShortestSeparator(&separator, next_user_key);
      index.Add(pending_handle, pending_padding, separator, 0);
    } else {
      // What lies between two keys under a comparator that is not ours is its own affair.
      index.Add(pending_handle, pending_padding, last_user_key, 0);
    }
  }
  pending = false;
}

// ---- Entries -----------------------------------------------------------------------------------

Status SegmentBuilder::Rep::CheckKey(Slice internal_key, Slice value, bool* new_user_key) const {
  const auto refuse = [&](const std::string& what) {
    return Status::InvalidArgument(options.path + ": segment entry " +
                                   std::to_string(properties.entries) + ": " + what);
  };
  if (internal_key.size() < kTrailerBytes) return refuse("internal key shorter than 8 bytes");
  if (internal_key.size() > kUserKeyBytesMax + kTrailerBytes) {
    return refuse("key of " + std::to_string(internal_key.size() - kTrailerBytes) +
                  " bytes is over " + std::to_string(kUserKeyBytesMax));
  }
  if (value.size() > kValueBytesMax) {
    return refuse("value of " + std::to_string(value.size()) + " bytes is over " +
                  std::to_string(kValueBytesMax));
  }
  if (TrailerType(ExtractTrailer(internal_key)) == ValueType::kValueWithExpiry &&
      value.size() < kExpiresAtBytes) {
    return refuse("value of " + std::to_string(value.size()) + " bytes has no expiry");
  }
  *new_user_key = true;
  if (properties.entries == 0) return Status::OK();
  const int order =
      comparator.CompareUserKeys(ExtractUserKey(internal_key), ExtractUserKey(last_key));
  if (order > 0) return Status::OK();
  *new_user_key = false;
  if (order < 0 || ExtractTrailer(internal_key) >= ExtractTrailer(last_key)) {
    return refuse("key does not come after the one before");
  }
  return Status::OK();
}

// A prefix once, as all its keys stand together.
void SegmentBuilder::Rep::AddToFilter(Slice user_key, uint64_t hash) {
  filter.Add(hash);
  if (prefixes == nullptr) return;
  const std::optional<Slice> prefix = prefixes->Prefix(user_key);
  if (!prefix.has_value() || last_prefix == *prefix) return;
  filter.Add(PrefixHash(*prefix));
  properties.prefixes++;
  last_prefix.emplace(*prefix);
}

Status SegmentBuilder::Add(Slice internal_key, Slice value) {
  Rep& r = *rep_;
  if (!r.status.ok()) return r.status;
  if (r.finished) return r.Latch(Status::InvalidArgument(r.options.path + ": Add after Finish"));
  bool new_user_key;
  if (Status s = r.CheckKey(internal_key, value, &new_user_key); !s.ok()) return r.Latch(s);

  const bool large = value.size() >= std::max(kDirectValueBytes, r.options.block_bytes);
  if (!r.block.empty() && (large || r.block.SizeWith(internal_key, value.size()) > r.block_limit)) {
    r.FinishBlock();
    if (!r.status.ok()) return r.status;
  }
  if (r.pending) r.AddSeparator(internal_key);

  const uint64_t hash = r.identical ? Hash64(ExtractUserKey(internal_key)) : 0;
  if (large) {
    r.AddLargeEntry(internal_key, value);
  } else {
    if (r.block.empty()) r.StartBlock();
    r.block.Add(internal_key, hash, value);
  }

  SegmentProperties& p = r.properties;
  const uint64_t trailer = ExtractTrailer(internal_key);
  const SequenceNumber sequence = TrailerSequence(trailer);
  if (p.entries == 0) {
    p.smallest_key.assign(internal_key);
    p.sequence_min = p.sequence_max = sequence;
  }
  p.sequence_min = std::min(p.sequence_min, sequence);
  p.sequence_max = std::max(p.sequence_max, sequence);
  p.entries++;
  p.raw_key_bytes += internal_key.size();
  p.raw_value_bytes += value.size();
  r.incompat |= p.CountType(TrailerType(trailer), value);
  if (new_user_key) {
    p.user_keys++;
    if (r.filtered) r.AddToFilter(ExtractUserKey(internal_key), hash);
  }
  r.last_key.assign(internal_key);
  return r.status;
}

Status SegmentBuilder::AddRangeTombstone(Slice start, Slice end, SequenceNumber sequence) {
  Rep& r = *rep_;
  if (!r.status.ok()) return r.status;
  const auto refuse = [&](const std::string& what) {
    return r.Latch(Status::InvalidArgument(r.options.path + ": range tombstone: " + what));
  };
  if (r.finished) return refuse("added after Finish");
  if (start.size() > kUserKeyBytesMax || end.size() > kUserKeyBytesMax) {
    return refuse("key of " + std::to_string(std::max(start.size(), end.size())) +
                  " bytes is over " + std::to_string(kUserKeyBytesMax));
  }
  if (sequence == 0 || sequence > kMaxSequence) {
    return refuse("sequence " + std::to_string(sequence) + " is out of range");
  }
  if (r.comparator.CompareUserKeys(start, end) >= 0) return Status::OK();
  r.range_tombstones.push_back({std::string(start), std::string(end), sequence});
  r.range_tombstone_bytes += start.size() + end.size() + 3 * kVarint32BytesMax;
  return Status::OK();
}

// Writes the block, and widens bounds and sequences in the properties to what it holds. Nothing
// where there are none.
BlockHandle SegmentBuilder::Rep::WriteRangeTombstones() {
  const FragmentedRangeTombstones fragmented(comparator, std::move(range_tombstones));
  if (fragmented.empty()) return {offset, 0};
  SegmentProperties& p = properties;
  const std::vector<RangeTombstone> tombstones = fragmented.Tombstones();
  p.range_deletes = tombstones.size();
  std::string smallest, largest;
  AppendInternalKey(&smallest, tombstones[0].start,
                    PackTrailer(tombstones[0].sequence, ValueType::kRangeDelete));
  AppendInternalKey(&largest, fragmented.end(fragmented.fragments() - 1), kExclusiveTrailer);
  if (p.entries == 0) {
    p.sequence_min = fragmented.smallest_sequence();
    p.sequence_max = fragmented.largest_sequence();
  }
  p.sequence_min = std::min(p.sequence_min, fragmented.smallest_sequence());
  p.sequence_max = std::max(p.sequence_max, fragmented.largest_sequence());
  if (p.entries == 0 || comparator.Compare(smallest, p.smallest_key) < 0) p.smallest_key = smallest;
  if (p.entries == 0 || comparator.Compare(largest, p.largest_key) > 0) p.largest_key = largest;

  content.clear();
  EncodeRangeTombstones(tombstones, &content);
  return WriteStored(content, Slice(), Compression::kNone);
}

Status SegmentBuilder::Finish(SegmentProperties* properties) {
  Rep& r = *rep_;
  if (!r.status.ok()) return r.status;
  if (r.finished) return r.Latch(Status::InvalidArgument(r.options.path + ": Finish twice"));
  r.finished = true;
  if (!r.block.empty()) r.FinishBlock();
  if (r.pending) r.AddSeparator(Slice());

  SegmentProperties& p = r.properties;
  p.data_bytes = r.offset;
  p.largest_key = r.last_key;
  p.compression = r.options.compression;
  p.filter_bits_per_key = r.filtered ? r.options.filter_bits_per_key : 0;
  p.comparator = r.comparator.user_comparator()->Name();
  p.number = r.options.number;
  p.created_ms = r.options.created_ms;
  p.creator = r.options.creator;
  if (p.merges != 0) p.merge_operator = r.options.merge_operator;
  if (r.prefixes != nullptr) p.prefix_extractor = r.prefixes->Name();

  Footer footer;
  footer.filter = {r.offset, 0};
  if (r.filtered) {
    r.filter.Finish(&r.content);
    footer.filter = r.WriteStored(r.content, Slice(), Compression::kNone);
  }
  r.index.Finish(p.data_bytes, &r.content);
  footer.index = r.WriteStored(r.content, Slice(), Compression::kNone);
  footer.range_tombstones = r.WriteRangeTombstones();
  footer.incompat = r.incompat;
  if (footer.range_tombstones.size != 0) footer.incompat |= kFeatureRangeTombstones;
  r.content.clear();
  p.EncodeTo(&r.content);
  footer.properties = r.WriteStored(r.content, Slice(), Compression::kNone);
  footer.number = r.options.number;
  footer.file_bytes = p.file_bytes = r.offset + kFooterBytes;
  r.content.clear();
  footer.EncodeTo(&r.content);
  r.Write(r.content);
  r.FlushOutput();
  if (r.status.ok() && properties != nullptr) *properties = p;
  return r.status;
}

}  // namespace varve
