#include "table/segment_dump.h"

#include <cstdio>
#include <utility>
#include <vector>

#include "table/compression.h"
#include "table/open_segment.h"
#include "table/segment_format.h"

namespace varve {

namespace {

const char* TypeName(ValueType type) {
  switch (type) {
    case ValueType::kDelete:
      return "delete";
    case ValueType::kValue:
      return "value";
    case ValueType::kValueWithExpiry:
      return "value_with_expiry";
    case ValueType::kMerge:
      return "merge";
    case ValueType::kRangeDelete:
      return "range_delete";
    case ValueType::kValuePointer:
      return "value_pointer";
    case ValueType::kValuePointerWithExpiry:
      return "value_pointer_with_expiry";
    case ValueType::kValueWithTtl:
      return "value_with_ttl";
    case ValueType::kCommitTime:
      return "commit_time";
    case ValueType::kRefused:
      return "refused";
    case ValueType::kEvicted:
      return "evicted";
    case ValueType::kExpired:
      return "expired";
  }
  return "unknown";
}

class Dumper {
 public:
  Dumper(const SegmentDumpOptions& options, const OpenSegment& segment,
         const std::function<void(Slice)>& line)
      : options_(options), segment_(segment), line_(line) {}

  Status Run() {
    Head();
    RangeTombstoneLines();
    if (options_.blocks || options_.entries) {
      for (uint64_t i = 0; i < segment_.index().blocks(); ++i) BlockLines(i);
    }
    return first_error_;
  }

 private:
  std::string Key(Slice internal_key) const {
    if (internal_key.size() < kTrailerBytes) return "none";
    const uint64_t trailer = ExtractTrailer(internal_key);
    if (trailer == kExclusiveTrailer) {
      return "before \"" + PrintableBytes(ExtractUserKey(internal_key), options_.bytes_max) + "\"";
    }
    return "\"" + PrintableBytes(ExtractUserKey(internal_key), options_.bytes_max) + "\" @ " +
           std::to_string(TrailerSequence(trailer)) + " " + TypeName(TrailerType(trailer));
  }
  std::string Value(ValueType type, Slice value) const {
    std::string text;
    if (type == ValueType::kValueWithExpiry && value.size() >= kExpiresAtBytes) {
      text = " expires at " + std::to_string(ExpiresAtOf(value));
      value.remove_prefix(kExpiresAtBytes);
    }
    return text + " = \"" + PrintableBytes(value, options_.bytes_max) + "\"";
  }
  void Field(const char* name, const std::string& value) {
    line_("  " + std::string(name) + ": " + value);
  }
  void Field(const char* name, uint64_t value) { Field(name, std::to_string(value)); }
  void Place(const char* name, const BlockHandle& handle) {
    Field(name, "offset " + std::to_string(handle.offset) + ", " + std::to_string(handle.size) +
                    " bytes");
  }

  void Head() {
    const Footer& footer = segment_.footer();
    const SegmentProperties& p = segment_.properties();
    line_("segment " + segment_.source().path);
    line_("footer");
    Field("format version", kSegmentFormatVersion);
    Field("segment number", footer.number);
    Field("file bytes", footer.file_bytes);
    Field("features", "compatible " + std::to_string(footer.compat) + ", read-only compatible " +
                          std::to_string(footer.read_only_compat) + ", incompatible " +
                          std::to_string(footer.incompat));
    Place("filter", footer.filter);
    Place("index", footer.index);
    if (footer.range_tombstones.size != 0) Place("range tombstones", footer.range_tombstones);
    Place("properties", footer.properties);
    line_("properties");
    Field("entries", p.entries);
    Field("deletes", p.deletes);
    Field("user keys", p.user_keys);
    Field("raw key bytes", p.raw_key_bytes);
    Field("raw value bytes", p.raw_value_bytes);
    Field("data bytes", p.data_bytes);
    Field("data blocks", p.data_blocks);
    Field("largest block, expanded", p.block_raw_bytes_max);
    Field("smallest key", Key(p.smallest_key));
    Field("largest key", Key(p.largest_key));
    Field("sequences", std::to_string(p.sequence_min) + " to " + std::to_string(p.sequence_max));
    Field("compression", CompressionName(p.compression));
    Field("comparator", PrintableBytes(p.comparator, options_.bytes_max));
    Field("filter bits a key", static_cast<uint64_t>(p.filter_bits_per_key));
    Field("created, ms since 1970", p.created_ms);
    Field("creator", PrintableBytes(p.creator, options_.bytes_max));
    if (p.entries_with_expiry != 0) {
      Field("entries with expiry", p.entries_with_expiry);
      Field("they expire, ms since 1970",
            std::to_string(p.expires_at_min) + " to " + std::to_string(p.expires_at_max));
    }
    if (p.range_deletes != 0) Field("range tombstones", p.range_deletes);
    if (p.merges != 0) {
      Field("merge operands", p.merges);
      Field("merge operator", PrintableBytes(p.merge_operator, options_.bytes_max));
    }
    if (!p.prefix_extractor.empty()) {
      Field("prefix extractor", PrintableBytes(p.prefix_extractor, options_.bytes_max));
      Field("prefixes", p.prefixes);
    }
  }

  void RangeTombstoneLines() {
    if (!options_.entries || segment_.footer().range_tombstones.size == 0) return;
    line_("range tombstones");
    std::vector<RangeTombstone> tombstones;
    if (const Status s = segment_.ReadRangeTombstones(&tombstones); !s.ok()) {
      line_("  " + s.ToString());
      first_error_ = s;
      return;
    }
    for (const RangeTombstone& t : tombstones) {
      line_("  \"" + PrintableBytes(t.start, options_.bytes_max) + "\" to \"" +
            PrintableBytes(t.end, options_.bytes_max) + "\" @ " + std::to_string(t.sequence));
    }
  }

  void BlockLines(uint64_t i) {
    const BlockHandle handle = segment_.index().handle(i);
    RangeRead read(*segment_.source().file, handle.offset, handle.size);
    read.Run(*segment_.source().file);
    Slice stored;
    Compression compression = Compression::kNone;
    HeldBlock* held = nullptr;
    Status s = read.Result(segment_.source(), &stored);
    if (s.ok()) s = CheckStored(segment_.source(), stored, handle.offset, true, &compression);
    if (s.ok()) {
      s = MakeBlock(segment_.source(), stored, handle.offset, false,
                    segment_.properties().block_raw_bytes_max, &held);
    }
    if (!s.ok()) {
      line_("block " + std::to_string(i) + ": " + s.ToString());
      if (first_error_.ok()) first_error_ = s;
      return;
    }
    const BlockRef block = BlockRef::Owned(held);
    line_("block " + std::to_string(i) + ": offset " + std::to_string(handle.offset) +
          ", padding " + std::to_string(segment_.index().padding_before(i)) + ", " +
          std::to_string(handle.size) + " bytes, " + CompressionName(compression) + ", expanded " +
          std::to_string(block->content().size()) + ", " + std::to_string(block->entries()) +
          " entries, prefix \"" + PrintableBytes(block->prefix(), options_.bytes_max) +
          "\", separator " + Separator(i));
    if (!options_.entries) return;
    BlockCursor cursor;
    cursor.SetBlock(block.get());
    for (cursor.MoveTo(0); cursor.valid(); cursor.MoveTo(cursor.index() + 1)) {
      line_("  " + Key(cursor.key()) +
            Value(TrailerType(ExtractTrailer(cursor.key())), cursor.value()));
    }
  }

  std::string Separator(uint64_t i) const {
    const std::string separator = segment_.index().separator(i);
    const uint64_t trailer = ExtractTrailer(separator);
    std::string text = "\"" + PrintableBytes(ExtractUserKey(separator), options_.bytes_max) + "\"";
    return trailer == 0 ? text : text + " @ " + std::to_string(TrailerSequence(trailer));
  }

  const SegmentDumpOptions& options_;
  const OpenSegment& segment_;
  const std::function<void(Slice)>& line_;
  Status first_error_;
};

}  // namespace

Status DumpSegment(const SegmentDumpOptions& options, std::unique_ptr<RandomAccessFile> file,
                   std::string path, const std::function<void(Slice line)>& line) {
  SegmentReaderOptions open;
  open.comparator = nullptr;  // nothing is compared
  std::unique_ptr<OpenSegment> segment;
  Status s = OpenSegment::Open(open, std::move(file), std::move(path), 0, &segment);
  if (!s.ok()) return s;
  return Dumper(options, *segment, line).Run();
}

std::string PrintableBytes(Slice bytes, size_t bytes_max) {
  std::string text;
  for (const char c : bytes.substr(0, bytes_max)) {
    if (c >= 0x20 && c < 0x7f && c != '\\' && c != '"') {
      text += c;
    } else {
      char escaped[5];
      snprintf(escaped, sizeof(escaped), "\\x%02x", static_cast<uint8_t>(c));
      text += escaped;
    }
  }
  if (bytes.size() > bytes_max) text += "… (" + std::to_string(bytes.size()) + " bytes)";
  return text;
}

}  // namespace varve
