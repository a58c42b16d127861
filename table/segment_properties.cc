#include "table/segment_properties.h"

#include <algorithm>

#include "table/compression.h"
#include "table/segment_format.h"
#include "util/coding.h"

// The properties block: | varint tag | varint length | value | … . A reader takes the tags it knows
// and steps over the others, so later versions may add some.

namespace varve {

namespace {

void PutNumber(std::string* out, PropertyTag tag, uint64_t value) {
  PutVarint32(out, static_cast<uint32_t>(tag));
  PutVarint32(out, VarintLength(value));
  PutVarint64(out, value);
}

void PutBytes(std::string* out, PropertyTag tag, Slice value) {
  PutVarint32(out, static_cast<uint32_t>(tag));
  PutLengthPrefixed(out, value);
}

bool TakeNumber(Slice value, uint64_t* number) {
  return GetVarint64(&value, number) && value.empty();
}

// One known tag: where its value goes.
struct Field {
  PropertyTag tag;
  const char* name;
  uint64_t* number;
  std::string* bytes;
  bool optional = false;  // without it 0 or empty
};

}  // namespace

uint32_t SegmentProperties::CountType(ValueType type, Slice value) {
  if (type == ValueType::kValue) [[likely]]
    return 0;
  deletes += IsTombstone(type);
  merges += type == ValueType::kMerge;
  if (type == ValueType::kValueWithExpiry) {
    const uint64_t at = ExpiresAtOf(value);
    expires_at_min = entries_with_expiry == 0 ? at : std::min(expires_at_min, at);
    expires_at_max = std::max(expires_at_max, at);
    ++entries_with_expiry;
    return kFeatureExpiry;
  }
  return IsTombstone(type) && type != ValueType::kDelete ? kFeatureExpiry : 0;
}

void SegmentProperties::EncodeTo(std::string* out) const {
  PutNumber(out, PropertyTag::kEntries, entries);
  PutNumber(out, PropertyTag::kDeletes, deletes);
  PutNumber(out, PropertyTag::kUserKeys, user_keys);
  PutNumber(out, PropertyTag::kRawKeyBytes, raw_key_bytes);
  PutNumber(out, PropertyTag::kRawValueBytes, raw_value_bytes);
  PutNumber(out, PropertyTag::kDataBytes, data_bytes);
  PutNumber(out, PropertyTag::kDataBlocks, data_blocks);
  PutNumber(out, PropertyTag::kBlockRawBytesMax, block_raw_bytes_max);
  PutBytes(out, PropertyTag::kSmallestKey, smallest_key);
  PutBytes(out, PropertyTag::kLargestKey, largest_key);
  PutNumber(out, PropertyTag::kSequenceMin, sequence_min);
  PutNumber(out, PropertyTag::kSequenceMax, sequence_max);
  PutNumber(out, PropertyTag::kCompression, static_cast<uint8_t>(compression));
  PutNumber(out, PropertyTag::kFilterBitsPerKey, filter_bits_per_key);
  PutBytes(out, PropertyTag::kComparator, comparator);
  PutNumber(out, PropertyTag::kNumber, number);
  PutNumber(out, PropertyTag::kCreatedMillis, created_ms);
  PutBytes(out, PropertyTag::kCreator, creator);
  if (entries_with_expiry != 0) {
    PutNumber(out, PropertyTag::kExpiresAtMin, expires_at_min);
    PutNumber(out, PropertyTag::kExpiresAtMax, expires_at_max);
    PutNumber(out, PropertyTag::kEntriesWithExpiry, entries_with_expiry);
  }
  if (range_deletes != 0) PutNumber(out, PropertyTag::kRangeDeletes, range_deletes);
  if (merges != 0) PutNumber(out, PropertyTag::kMerges, merges);
  if (!merge_operator.empty()) PutBytes(out, PropertyTag::kMergeOperator, merge_operator);
  if (!prefix_extractor.empty()) {
    PutBytes(out, PropertyTag::kPrefixExtractor, prefix_extractor);
    PutNumber(out, PropertyTag::kPrefixes, prefixes);
  }
}

Status SegmentProperties::Decode(Slice input, SegmentProperties* properties) {
  *properties = SegmentProperties();
  SegmentProperties& p = *properties;
  uint64_t compression_number = 0, filter_bits = 0;
  const Field fields[] = {
      {PropertyTag::kEntries, "entries", &p.entries, nullptr},
      {PropertyTag::kDeletes, "deletes", &p.deletes, nullptr},
      {PropertyTag::kUserKeys, "user keys", &p.user_keys, nullptr},
      {PropertyTag::kRawKeyBytes, "raw key bytes", &p.raw_key_bytes, nullptr},
      {PropertyTag::kRawValueBytes, "raw value bytes", &p.raw_value_bytes, nullptr},
      {PropertyTag::kDataBytes, "data bytes", &p.data_bytes, nullptr},
      {PropertyTag::kDataBlocks, "data blocks", &p.data_blocks, nullptr},
      {PropertyTag::kBlockRawBytesMax, "block raw bytes", &p.block_raw_bytes_max, nullptr},
      {PropertyTag::kSmallestKey, "smallest key", nullptr, &p.smallest_key},
      {PropertyTag::kLargestKey, "largest key", nullptr, &p.largest_key},
      {PropertyTag::kSequenceMin, "lowest sequence", &p.sequence_min, nullptr},
      {PropertyTag::kSequenceMax, "highest sequence", &p.sequence_max, nullptr},
      {PropertyTag::kCompression, "compression", &compression_number, nullptr},
      {PropertyTag::kFilterBitsPerKey, "filter bits", &filter_bits, nullptr},
      {PropertyTag::kComparator, "comparator", nullptr, &p.comparator},
      {PropertyTag::kNumber, "segment number", &p.number, nullptr},
      {PropertyTag::kCreatedMillis, "creation time", &p.created_ms, nullptr},
      {PropertyTag::kCreator, "creator", nullptr, &p.creator},
      {PropertyTag::kExpiresAtMin, "lowest expiry", &p.expires_at_min, nullptr, true},
      {PropertyTag::kExpiresAtMax, "highest expiry", &p.expires_at_max, nullptr, true},
      {PropertyTag::kEntriesWithExpiry, "entries with expiry", &p.entries_with_expiry, nullptr,
       true},
      {PropertyTag::kRangeDeletes, "range deletes", &p.range_deletes, nullptr, true},
      {PropertyTag::kMerges, "merges", &p.merges, nullptr, true},
      {PropertyTag::kMergeOperator, "merge operator", nullptr, &p.merge_operator, true},
      {PropertyTag::kPrefixExtractor, "prefix extractor", nullptr, &p.prefix_extractor, true},
      {PropertyTag::kPrefixes, "prefixes", &p.prefixes, nullptr, true},
  };
  constexpr size_t kFields = sizeof(fields) / sizeof(fields[0]);
  bool seen[kFields] = {};
  while (!input.empty()) {
    uint32_t tag;
    Slice value;
    if (!GetVarint32(&input, &tag) || !GetLengthPrefixed(&input, &value)) {
      return Status::Corruption("a property is cut off");
    }
    for (size_t i = 0; i < kFields; ++i) {
      const Field& field = fields[i];
      if (static_cast<uint32_t>(field.tag) != tag) continue;
      if (seen[i]) return Status::Corruption(std::string("property twice: ") + field.name);
      seen[i] = true;
      if (field.bytes != nullptr) {
        field.bytes->assign(value);
      } else if (!TakeNumber(value, field.number)) {
        return Status::Corruption(std::string("property is no number: ") + field.name);
      }
    }
  }
  for (size_t i = 0; i < kFields; ++i) {
    if (seen[i] || fields[i].optional) continue;
    return Status::Corruption(std::string("property missing: ") + fields[i].name);
  }
  if (compression_number > UINT8_MAX ||
      !KnownCompression(static_cast<uint8_t>(compression_number))) {
    return Status::Corruption("property out of range: compression");
  }
  p.compression = static_cast<Compression>(compression_number);
  if (filter_bits > INT32_MAX) return Status::Corruption("property out of range: filter bits");
  p.filter_bits_per_key = static_cast<int>(filter_bits);
  if (p.sequence_min > p.sequence_max || p.sequence_max > kMaxSequence) {
    return Status::Corruption("property out of range: sequences");
  }
  if (p.expires_at_min > p.expires_at_max || p.entries_with_expiry > p.entries) {
    return Status::Corruption("property out of range: expiry");
  }
  for (const std::string* key : {&p.smallest_key, &p.largest_key}) {
    const bool fits =
        key->size() >= kTrailerBytes && key->size() <= kUserKeyBytesMax + kTrailerBytes;
    if (p.entries == 0 && p.range_deletes == 0 ? !key->empty() : !fits) {
      return Status::Corruption("property out of range: smallest or largest key");
    }
  }
  return Status::OK();
}

}  // namespace varve
