#include "db/expiry_buckets.h"

#include <algorithm>
#include <bit>

namespace varve {

namespace {

constexpr uint32_t kForEver = ExpiryBuckets::kBuckets - 1;

// What will be one output.
struct Group {
  uint32_t first, last;  // the buckets at its ends; neither is empty
  uint64_t bytes;
};

// Between two neighbours: the powers of two from the end of one to the start of the other.
uint32_t Distance(const Group& shorter, const Group& longer) {
  return longer.first == kForEver ? ExpiryBuckets::kBuckets : longer.first - shorter.last;
}

// Joins group i, one of several, with its nearer neighbour.
void Join(std::vector<Group>* groups, size_t i) {
  const bool has_shorter = i > 0, has_longer = i + 1 < groups->size();
  const std::vector<Group>& g = *groups;
  const bool with_longer =
      has_longer && (!has_shorter || Distance(g[i], g[i + 1]) <= Distance(g[i - 1], g[i]));
  const size_t left = with_longer ? i : i - 1;
  Group& joined = (*groups)[left];
  joined.last = g[left + 1].last;
  joined.bytes += g[left + 1].bytes;
  groups->erase(groups->begin() + static_cast<std::ptrdiff_t>(left) + 1);
}

}  // namespace

uint32_t ExpiryBuckets::BucketOf(uint64_t now_ms, uint64_t expires_at_ms) {
  if (expires_at_ms == kNeverExpires) return kForEver;
  if (expires_at_ms <= now_ms) return 0;
  return static_cast<uint32_t>(std::bit_width(expires_at_ms - now_ms));
}

ExpiryOutputs ExpiryBuckets::Plan(uint64_t segment_bytes) const {
  std::vector<Group> groups;
  for (uint32_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (bytes_[bucket] != 0) groups.push_back({bucket, bucket, bytes_[bucket]});
  }
  const auto smaller = [](const Group& a, const Group& b) { return a.bytes < b.bytes; };
  while (groups.size() > 1) {
    auto smallest = std::min_element(groups.begin(), groups.end(), smaller);
    if (smallest->bytes >= segment_bytes / 4) {
      if (groups.size() <= ExpiryOutputs::kOutputsMax) break;
      smallest = std::min_element(groups.begin(), groups.end() - (groups.back().last == kForEver),
                                  smaller);
    }
    Join(&groups, static_cast<size_t>(smallest - groups.begin()));
  }
  ExpiryOutputs outputs;
  outputs.now_ms_ = now_ms_;
  for (size_t i = 1; i < groups.size(); ++i) outputs.ends_.push_back(groups[i].first);
  for (const Group& group : groups) outputs.bytes_.push_back(group.bytes);
  return outputs;
}

size_t ExpiryOutputs::OutputOf(uint64_t expires_at_ms) const {
  const uint32_t bucket = ExpiryBuckets::BucketOf(now_ms_, expires_at_ms);
  return static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), bucket) - ends_.begin());
}

}  // namespace varve
