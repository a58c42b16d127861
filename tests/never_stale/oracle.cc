#include "tests/never_stale/oracle.h"

#include <algorithm>

#include "tests/never_stale/tagged_value.h"

namespace varve::never_stale {
namespace {

std::string ToText(Instant instant) {
  if (instant.low == kNever) return "never";
  if (instant.low == instant.high) return std::to_string(instant.low);
  return std::to_string(instant.low) + " to " + std::to_string(instant.high);
}

std::string ToText(const Version& version) {
  std::string text = "order " + std::to_string(version.order);
  if (version.tombstone()) return text + ", a delete";
  text += ", write " + std::to_string(version.write);
  if (version.expires_at.low != kNever) text += ", expires at " + ToText(version.expires_at);
  if (version.lost) text += ", was missed";
  return text;
}

}  // namespace

void Oracle::Put(uint32_t key, uint64_t write, Instant expires_at) {
  Versions& versions = keys_[key];
  newest_write_ = std::max(newest_write_, write);
  if (write == 0 && versions.empty()) return;
  if (!versions.empty() && versions.back().order == last_) versions.pop_back();
  if (versions.size() >= 8) Prune(&versions);
  versions.push_back(
      {.order = last_, .write = write, .expires_at = expires_at, .evictions = losses_.evictions});
}

void Oracle::DeleteRange(uint32_t begin, uint32_t end) {
  for (uint32_t key = begin; key < end && key < keys_.size(); ++key) Delete(key);
}

void Oracle::Prune(Versions* versions) const {
  uint64_t floor = durable_;
  if (!held_.empty()) floor = std::min(floor, *held_.begin());
  // The newest at or below the floor stays, and what is above it.
  const auto above = std::partition_point(versions->begin(), versions->end(),
                                          [&](const Version& v) { return v.order <= floor; });
  if (above - versions->begin() > 1) versions->erase(versions->begin(), above - 1);
}

const Version* Oracle::Newest(uint32_t key, uint64_t view) const {
  const Versions& versions = keys_[key];
  for (auto it = versions.rbegin(); it != versions.rend(); ++it) {
    if (it->order <= view) return &*it;
  }
  return nullptr;
}

std::string Oracle::Judge(uint32_t key, uint64_t view, Instant now,
                          std::optional<Slice> value) const {
  std::string wrong;
  if (IsRight(key, view, now, value, &wrong)) return "";
  return wrong + " for key " + std::to_string(key) + " at view " + std::to_string(view) + " of " +
         std::to_string(last_) + ", time " + ToText(now) + "\n" + Describe(key);
}

std::string Oracle::JudgeReason(uint32_t key, uint64_t view, Instant now, MissReason reason) const {
  const Version* const newest = Newest(key, view);
  const bool put = newest != nullptr && !newest->tombstone();
  if (newest != nullptr && newest->doubtful) return "";  // or it is the one before
  bool can_be = true;
  switch (reason) {
    case MissReason::kAbsent:  // what is live and gone is judged by itself
      break;
    case MissReason::kDeleted:  // or an older range, once what has expired or was evicted is
                                // dropped
      can_be = !put || !newest->SurelyLives(now) || newest->evictions < losses_.evictions;
      break;
    case MissReason::kExpired:
      can_be = put && !newest->SurelyLives(now);
      break;
    case MissReason::kRefused:
      can_be = put && losses_.evictions != 0;
      break;
    case MissReason::kEvicted:
    case MissReason::kGhost:
    case MissReason::kQuarantined:
      can_be = losses_.evictions != 0;
      break;
    case MissReason::kReset:
      can_be = false;
  }
  if (can_be) return "";
  return std::string("REASON: ") + MissReasonName(reason) + " for key " + std::to_string(key) +
         " at view " + std::to_string(view) + " of " + std::to_string(last_) + ", time " +
         ToText(now) + "\n" + Describe(key);
}

bool Oracle::IsRight(uint32_t key, uint64_t view, Instant now, std::optional<Slice> value,
                     std::string* wrong) const {
  const Version* const newest = Newest(key, view);
  if (!value.has_value()) {
    if (newest == nullptr || !newest->SurelyLives(now)) return true;
    if (newest->evictions < losses_.evictions) {
      if (!newest->lost) ++lost_;
      newest->lost = true;
      return true;
    }
    *wrong = "LOST: nothing";
    return false;
  }
  Tag tag;
  if (!ReadValue(*value, &tag)) {
    *wrong = "FOREIGN: " + std::to_string(value->size()) + " bytes that nobody wrote";
    return false;
  }
  const std::string of = "write " + std::to_string(tag.write);
  if (tag.key != key || tag.write > newest_write_) {
    *wrong = "FOREIGN: " + of + ", of key " + std::to_string(tag.key);
    return false;
  }
  if (newest != nullptr && newest->write == tag.write) {
    if (!newest->SurelyGone(now)) return true;
    *wrong = "RESURRECTED: the expired " + of;
    return false;
  }
  if (tag.write <= last_reset_) {
    *wrong = "RESURRECTED, from before the cache was reset: " + of;
  } else if (newest == nullptr) {
    *wrong = "FOREIGN: " + of;
  } else if (newest->tombstone()) {
    *wrong = "RESURRECTED, though deleted: " + of;
  } else {
    *wrong = (tag.write < newest->write ? "STALE: " : "FOREIGN, of a later view: ") + of;
  }
  return false;
}

std::string Oracle::JudgeLosses() const {
  if (lost_ <= losses_.entries) return "";
  return "LOST: " + std::to_string(lost_) + " live values are missed, but only " +
         std::to_string(losses_.entries) + " entries were evicted\n" + DescribeLost();
}

std::string Oracle::CutBack(uint64_t lowest, Instant now,
                            const std::vector<std::optional<std::string>>& contents) {
  // Keys that are wrong as of a prefix; then one write less, and so on.
  std::vector<std::pair<uint64_t, uint32_t>> later;  // order, key
  std::set<uint32_t> wrong;
  std::string why;
  const auto judge = [&](uint32_t key, uint64_t prefix) {
    std::string text;
    const std::optional<Slice> value =
        contents[key].has_value() ? std::optional<Slice>(*contents[key]) : std::nullopt;
    if (IsRight(key, prefix, now, value, &text)) {
      wrong.erase(key);
    } else {
      wrong.insert(key);
      why = text + " for key " + std::to_string(key) + " at prefix " + std::to_string(prefix) +
            " of " + std::to_string(lowest) + " to " + std::to_string(last_) + "\n" + Describe(key);
    }
  };
  for (uint32_t key = 0; key < keys(); ++key) {
    judge(key, last_);
    for (const Version& version : keys_[key]) {
      if (version.order > lowest) later.emplace_back(version.order, key);
    }
  }
  std::sort(later.rbegin(), later.rend());
  uint64_t prefix = last_;
  for (size_t i = 0; !wrong.empty() && i < later.size();) {
    prefix = later[i].first - 1;
    for (; i < later.size() && later[i].first > prefix; ++i) judge(later[i].second, prefix);
  }
  if (!wrong.empty()) return "no prefix of the writes: " + why;
  for (Versions& versions : keys_) {
    while (!versions.empty() && versions.back().order > prefix) versions.pop_back();
    for (Version& version : versions) version.doubtful |= version.order > lowest;
    JoinTouched(&versions, lowest);
  }
  last_ = prefix;
  durable_ = prefix;
  return "";
}

void Oracle::JoinTouched(Versions* versions, uint64_t lowest) {
  if (versions->empty() || versions->back().tombstone()) return;
  Version& newest = versions->back();
  for (size_t i = versions->size() - 1; i > 0 && (*versions)[i].order > lowest; --i) {
    const Version& older = (*versions)[i - 1];
    if (older.write != newest.write) return;
    newest.expires_at.low = std::min(newest.expires_at.low, older.expires_at.low);
    newest.expires_at.high = std::max(newest.expires_at.high, older.expires_at.high);
  }
}

void Oracle::Reset() {
  for (Versions& versions : keys_) versions.clear();
  last_reset_ = newest_write_;
  durable_ = last_;
}

std::string Oracle::DescribeLost() const {
  std::string text;
  for (uint32_t key = 0; key < keys() && text.size() < 2000; ++key) {
    const bool lost = std::any_of(keys_[key].begin(), keys_[key].end(),
                                  [](const Version& version) { return version.lost; });
    if (lost) text += Describe(key);
  }
  return text;
}

std::string Oracle::Describe(uint32_t key) const {
  std::string text = "  versions of key " + std::to_string(key) + ":\n";
  for (const Version& version : keys_[key]) text += "    " + ToText(version) + "\n";
  return text;
}

}  // namespace varve::never_stale
