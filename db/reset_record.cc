#include "db/reset_record.h"

#include "db/manifest_entry.h"
#include "db/manifest_format.h"
#include "util/coding.h"

namespace varve::manifest {

std::string EncodeLastReset(const std::optional<CacheResetInfo>& reset) {
  std::string extension;
  if (!reset.has_value()) return extension;
  std::string value;
  PutVarint64(&value, static_cast<uint64_t>(reset->reason));
  PutVarint64(&value, reset->wall_ms);
  PutVarint64(&value, reset->segments);
  PutVarint64(&value, reset->resets);
  PutVarint64(&extension, kLastReset);
  PutLengthPrefixed(&extension, value);
  return extension;
}

bool DecodeRootExtensions(Slice extensions, std::optional<CacheResetInfo>* reset,
                          std::string* others) {
  reset->reset();
  others->clear();
  if (!ValidExtensions(extensions)) return false;
  while (!extensions.empty()) {
    const Slice before = extensions;
    uint64_t tag;
    Slice value;
    if (!GetVarint64(&extensions, &tag) || !GetLengthPrefixed(&extensions, &value)) return false;
    if (tag != kLastReset) {
      others->append(before.substr(0, before.size() - extensions.size()));
      continue;
    }
    if (reset->has_value()) return false;
    CacheResetInfo& info = reset->emplace();
    uint64_t reason;
    // What a later build adds behind is not for this one.
    if (!GetVarint64(&value, &reason) || reason == 0 || reason > UINT8_MAX ||
        !GetVarint64(&value, &info.wall_ms) || !GetVarint64(&value, &info.segments) ||
        !GetVarint64(&value, &info.resets)) {
      return false;
    }
    info.reason = static_cast<CacheResetReason>(reason);
  }
  return true;
}

}  // namespace varve::manifest
