#include "table/footer.h"

#include "table/format_errors.h"
#include "table/segment_format.h"
#include "util/coding.h"
#include "util/crc32c.h"

namespace varve {

namespace {

void PutHandle(std::string* out, const BlockHandle& handle) {
  PutFixed64(out, handle.offset);
  PutFixed64(out, handle.size);
}

BlockHandle HandleAt(const char* p) { return {DecodeFixed64(p), DecodeFixed64(p + 8)}; }

}  // namespace

void Footer::EncodeTo(std::string* out) const {
  const size_t start = out->size();
  PutHandle(out, filter);
  PutHandle(out, index);
  PutHandle(out, properties);
  PutFixed64(out, number);
  PutFixed64(out, file_bytes);
  PutFixed32(out, compat);
  PutFixed32(out, read_only_compat);
  PutFixed32(out, incompat);
  PutFixed32(out, kFooterBytes);
  PutFixed32(out, kSegmentFormatVersion);
  PutFixed32(out, Crc32c(Slice(*out).substr(start)));
  PutFixed64(out, kSegmentMagic);
}

Status Footer::Decode(Slice tail, uint64_t file_bytes, Footer* footer) {
  // First what every version has: magic, checksum, version.
  const char* const end = tail.data() + tail.size();
  const uint64_t magic = DecodeFixed64(end - 8);
  if (magic != kSegmentMagic) {
    return Damaged("segment magic", file_bytes - 8, kSegmentMagic, magic);
  }
  const uint32_t footer_bytes = DecodeFixed32(end - kFooterTailBytes);
  if (footer_bytes < kFooterTailBytes || footer_bytes > tail.size()) {
    return Damaged("size of the footer", file_bytes - kFooterTailBytes, kFooterBytes, footer_bytes);
  }
  const uint32_t checksum = DecodeFixed32(end - 12);
  const uint32_t actual = Crc32c(Slice(end - footer_bytes, footer_bytes - 12));
  if (checksum != actual) {
    return Damaged("checksum of the footer", file_bytes - footer_bytes, checksum, actual);
  }
  const uint32_t version = DecodeFixed32(end - 16);
  if (version > kSegmentFormatVersion) {
    return NewerFormat("segment", version, kSegmentFormatVersion);
  }
  if (version == 0 || footer_bytes != kFooterBytes) {
    return Damaged("size of the footer", file_bytes - kFooterTailBytes, kFooterBytes, footer_bytes);
  }

  const char* const start = end - kFooterBytes;
  footer->filter = HandleAt(start + kFooterFilterOffset);
  footer->index = HandleAt(start + kFooterIndexOffset);
  footer->properties = HandleAt(start + kFooterPropertiesOffset);
  footer->number = DecodeFixed64(start + kFooterNumber);
  footer->file_bytes = DecodeFixed64(start + kFooterFileBytes);
  footer->compat = DecodeFixed32(start + kFooterCompat);
  footer->read_only_compat = DecodeFixed32(start + kFooterReadOnlyCompat);
  footer->incompat = DecodeFixed32(start + kFooterIncompat);
  if ((footer->incompat & ~kKnownIncompatFeatures) != 0) {
    return UnknownFeatures("segment", footer->incompat, kKnownIncompatFeatures);
  }
  if (footer->file_bytes != file_bytes) {
    return Damaged("size of the file", file_bytes - kFooterBytes + kFooterFileBytes,
                   footer->file_bytes, file_bytes);
  }
  // One behind the other up to the footer. Sums cannot wrap: each is checked to be in the file.
  const uint64_t limit = file_bytes - kFooterBytes;
  uint64_t at = footer->filter.offset;
  const auto in_place = [&](const BlockHandle& handle) {
    if (handle.offset != at || at > limit || handle.size > limit - at) return false;
    at += handle.size;
    return true;
  };
  bool good = in_place(footer->filter) && in_place(footer->index);
  footer->range_tombstones = {at, 0};
  if (good && (footer->incompat & kFeatureRangeTombstones) != 0) {
    // What the feature leaves room for, and not nothing.
    footer->range_tombstones.size = footer->properties.offset - at;
    good = footer->properties.offset > at && in_place(footer->range_tombstones);
  }
  if (!good || !in_place(footer->properties)) {
    return Damaged("place of filter, index, range tombstones or properties", limit, at,
                   footer->properties.offset);
  }
  if (at != limit) return Damaged("end of the properties", limit, limit, at);
  const auto whole = [](const BlockHandle& handle) { return handle.size >= kBlockTrailerBytes; };
  if (!whole(footer->index) || !whole(footer->properties) ||
      (footer->filter.size != 0 && !whole(footer->filter)) ||
      (footer->range_tombstones.size != 0 && !whole(footer->range_tombstones))) {
    return Damaged("size of a block behind the data", limit, kBlockTrailerBytes, 0);
  }
  return Status::OK();
}

}  // namespace varve
