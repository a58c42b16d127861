#include "db/manifest_entry.h"

#include "util/coding.h"

namespace varve {

namespace {

void PutExtension(std::string* out, SegmentEntryExtension tag, uint64_t value) {
  if (value == 0) return;
  std::string bytes;
  PutVarint64(&bytes, value);
  PutVarint64(out, tag);
  PutLengthPrefixed(out, bytes);
}

// The field of the entry that the tag stands for, or null.
uint64_t* FieldOf(SegmentEntry* entry, uint64_t tag) {
  switch (tag) {
    case kAppliedTo:
      return &entry->applied_to;
    case kEvicted:
      return &entry->evicted;
    case kGhostBytes:
      return &entry->ghost_bytes;
    case kHidden:
      return &entry->hidden;
    case kExpiring:
      return &entry->expiring;
    case kWritten:
      return &entry->written_ms;
    default:
      return nullptr;
  }
}

// False if a field is cut off, is there twice, or is no number above 0.
bool DecodeExtensions(Slice extensions, SegmentEntry* entry) {
  entry->applied_to = entry->evicted = entry->ghost_bytes = entry->hidden = 0;
  entry->expiring = entry->written_ms = 0;
  entry->extensions.clear();
  while (!extensions.empty()) {
    const Slice before = extensions;
    uint64_t tag;
    Slice value;
    if (!GetVarint64(&extensions, &tag) || !GetLengthPrefixed(&extensions, &value)) return false;
    if (uint64_t* const field = FieldOf(entry, tag); field == nullptr) {
      entry->extensions.append(before.substr(0, before.size() - extensions.size()));
    } else if (*field != 0 || !GetVarint64(&value, field) || *field == 0 || !value.empty()) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::vector<NumberedFile> FilesOf(FileNumber number, uint64_t flags) {
  std::vector<NumberedFile> files;
  if ((flags & kSegmentGhost) == 0) files.push_back({FileType::kSegment, number});
  if ((flags & kSegmentHasGhostFile) != 0) files.push_back({FileType::kGhost, number});
  return files;
}

uint64_t BytesOf(const SegmentEntry& entry, FileType type) {
  const bool is_ghost = (entry.flags & kSegmentGhost) != 0;
  return type == FileType::kGhost && !is_ghost ? entry.ghost_bytes : entry.file_bytes;
}

const char* CheckGhostFields(const SegmentEntry& entry) {
  const bool has_ghost_file = (entry.flags & kSegmentHasGhostFile) != 0;
  if ((entry.flags & kSegmentGhost) != 0) {
    if (entry.evicted == 0) return "is a ghost of no eviction";
    if (entry.ghost_bytes != 0) return "is a ghost beside a ghost file";
  } else if (entry.evicted != 0) {
    return "was evicted and is no ghost";
  }
  if (has_ghost_file == (BytesOf(entry, FileType::kGhost) != 0)) return nullptr;
  return has_ghost_file ? "has a ghost file of no bytes"
                        : "has the bytes of a ghost file, and none";
}

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
  PutExtension(out, kAppliedTo, entry.applied_to);
  PutExtension(out, kEvicted, entry.evicted);
  PutExtension(out, kGhostBytes, entry.ghost_bytes);
  PutExtension(out, kHidden, entry.hidden);
  PutExtension(out, kExpiring, entry.expiring);
  PutExtension(out, kWritten, entry.written_ms);
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
  if (!DecodeExtensions(body, entry)) {
    return Status::Corruption("the entry's extensions are malformed");
  }
  if (const char* const wrong = CheckGhostFields(*entry); wrong != nullptr) {
    return Status::Corruption(std::string("the entry ") + wrong);
  }
  entry->smallest = smallest;
  entry->largest = largest;
  return Status::OK();
}

bool ValidExtensions(Slice extensions) {
  SegmentEntry entry;
  return DecodeExtensions(extensions, &entry) && entry.extensions.size() == extensions.size();
}

}  // namespace varve
