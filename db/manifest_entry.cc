#include "db/manifest_entry.h"

#include "util/coding.h"

namespace varve {

void EncodeSegmentEntry(const SegmentEntry& entry, std::string* out) {
  PutVarint32(out, entry.level);
  PutVarint64(out, entry.epoch);
  PutVarint64(out, entry.file_bytes);
  PutVarint64(out, entry.raw_bytes);
  PutVarint64(out, entry.entries);
  PutVarint64(out, entry.deletes);
  PutVarint64(out, entry.smallest_sequence);
  PutVarint64(out, entry.largest_sequence - entry.smallest_sequence);
  PutVarint64(out, entry.flags);
  if (entry.flags & kHasExpiry) {
    PutVarint64(out, entry.min_expires_at);
    PutVarint64(out, entry.max_expires_at - entry.min_expires_at);
  }
  PutLengthPrefixed(out, entry.smallest);
  PutLengthPrefixed(out, entry.largest);
  out->append(entry.extensions);
}

Status DecodeSegmentEntry(FileNumber number, Slice body, SegmentEntry* entry) {
  entry->number = number;
  uint64_t width;
  if (!GetVarint32(&body, &entry->level) || !GetVarint64(&body, &entry->epoch) ||
      !GetVarint64(&body, &entry->file_bytes) || !GetVarint64(&body, &entry->raw_bytes) ||
      !GetVarint64(&body, &entry->entries) || !GetVarint64(&body, &entry->deletes) ||
      !GetVarint64(&body, &entry->smallest_sequence) || !GetVarint64(&body, &width)) {
    return Status::Corruption("the entry is cut off in its numbers");
  }
  if (entry->smallest_sequence > kMaxSequence || width > kMaxSequence - entry->smallest_sequence) {
    return Status::Corruption("the entry's sequences pass 2^56");
  }
  entry->largest_sequence = entry->smallest_sequence + width;
  if (!GetVarint64(&body, &entry->flags)) {
    return Status::Corruption("the entry is cut off in its flags");
  }
  entry->min_expires_at = entry->max_expires_at = 0;
  if (entry->flags & kHasExpiry) {
    if (!GetVarint64(&body, &entry->min_expires_at) || !GetVarint64(&body, &width) ||
        width > UINT64_MAX - entry->min_expires_at) {
      return Status::Corruption("the entry's expiry range is cut off or too large");
    }
    entry->max_expires_at = entry->min_expires_at + width;
  }
  Slice smallest, largest;
  if (!GetLengthPrefixed(&body, &smallest) || !GetLengthPrefixed(&body, &largest)) {
    return Status::Corruption("the entry is cut off in its keys");
  }
  if (!ValidExtensions(body)) return Status::Corruption("the entry's extensions are malformed");
  entry->smallest = smallest;
  entry->largest = largest;
  entry->extensions = body;
  return Status::OK();
}

bool ValidExtensions(Slice extensions) {
  while (!extensions.empty()) {
    uint64_t tag;
    Slice value;
    if (!GetVarint64(&extensions, &tag) || !GetLengthPrefixed(&extensions, &value)) return false;
  }
  return true;
}

}  // namespace varve
