#include "db/prefix_bounds.h"

#include <cstdint>
#include <string>

namespace varve {

namespace {

// Under the bytewise order: of the keys from one that begins with the prefix to `end`, excluded,
// all begin with it.
bool EndsWithin(Slice prefix, Slice end) {
  std::string successor(prefix);
  while (!successor.empty() && static_cast<uint8_t>(successor.back()) == 0xff) successor.pop_back();
  if (successor.empty()) return true;
  ++successor.back();
  return end <= successor;
}

}  // namespace

std::optional<Slice> PrefixOfBounds(const PrefixExtractor* extractor,
                                    const InternalKeyComparator& comparator,
                                    const ReadOptions& options) {
  if (extractor == nullptr || !options.lower_bound.has_value() ||
      !options.upper_bound.has_value()) {
    return std::nullopt;
  }
  const Slice lower = *options.lower_bound, upper = *options.upper_bound;
  const std::optional<Slice> prefix = extractor->Prefix(lower);
  if (!prefix.has_value()) return std::nullopt;
  if (extractor->Prefix(upper) == prefix) return prefix;
  const bool begins_its_keys =
      comparator.bytewise() && extractor->LeadingBytesDecide() && lower.starts_with(*prefix);
  return begins_its_keys && EndsWithin(*prefix, upper) ? prefix : std::nullopt;
}

}  // namespace varve
