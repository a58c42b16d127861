#include "table/ghost_footer.h"

#include "table/format_errors.h"
#include "table/ghost_format.h"
#include "table/segment_format.h"
#include "util/coding.h"
#include "util/crc32c.h"

namespace varve {

void GhostFooter::EncodeTo(std::string* out) const {
  const size_t start = out->size();
  PutFixed64(out, number);
  PutFixed64(out, hash_set_bytes);
  PutFixed64(out, range_tombstone_bytes);
  PutFixed64(out, file_bytes);
  PutFixed32(out, compat);
  PutFixed32(out, incompat);
  PutFixed32(out, kGhostFormatVersion);
  PutFixed32(out, Crc32c(Slice(*out).substr(start)));
  PutFixed64(out, kGhostMagic);
}

Status GhostFooter::Decode(Slice bytes, uint64_t file_bytes, GhostFooter* footer) {
  const char* const start = bytes.data();
  const uint64_t at = file_bytes - kGhostFooterBytes;
  // First what every version has: magic, checksum, version.
  const uint64_t magic = DecodeFixed64(start + kGhostFooterMagic);
  if (magic != kGhostMagic) {
    return Damaged("ghost magic", at + kGhostFooterMagic, kGhostMagic, magic);
  }
  const uint32_t checksum = DecodeFixed32(start + kGhostFooterChecksum);
  const uint32_t actual = Crc32c(bytes.substr(0, kGhostFooterChecksum));
  if (checksum != actual) return Damaged("checksum of the footer", at, checksum, actual);
  const uint32_t version = DecodeFixed32(start + kGhostFooterVersion);
  if (version > kGhostFormatVersion) {
    return NewerFormat("ghost", version, kGhostFormatVersion);
  }
  if (version == 0) {
    return Damaged("ghost format version", at + kGhostFooterVersion, kGhostFormatVersion, 0);
  }

  footer->number = DecodeFixed64(start + kGhostFooterNumber);
  footer->hash_set_bytes = DecodeFixed64(start + kGhostFooterHashSetBytes);
  footer->range_tombstone_bytes = DecodeFixed64(start + kGhostFooterRangesBytes);
  footer->file_bytes = DecodeFixed64(start + kGhostFooterFileBytes);
  footer->compat = DecodeFixed32(start + kGhostFooterCompat);
  footer->incompat = DecodeFixed32(start + kGhostFooterIncompat);
  if ((footer->incompat & ~kGhostKnownIncompatFeatures) != 0) {
    return UnknownFeatures("ghost", footer->incompat, kGhostKnownIncompatFeatures);
  }
  if (footer->file_bytes != file_bytes) {
    return Damaged("size of the file", at + kGhostFooterFileBytes, footer->file_bytes, file_bytes);
  }
  // The two blocks fill what is before the footer. Neither sum nor difference can wrap.
  if (footer->hash_set_bytes < kBlockTrailerBytes || footer->hash_set_bytes > at) {
    return Damaged("bytes of the hash set", at + kGhostFooterHashSetBytes, at,
                   footer->hash_set_bytes);
  }
  const uint64_t ranges = at - footer->hash_set_bytes;
  if (footer->range_tombstone_bytes != ranges || (ranges != 0 && ranges < kBlockTrailerBytes)) {
    return Damaged("bytes of the range tombstones", at + kGhostFooterRangesBytes, ranges,
                   footer->range_tombstone_bytes);
  }
  return Status::OK();
}

}  // namespace varve
