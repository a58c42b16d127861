#include "tests/db/picker_test_util.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <sstream>

namespace varve::testing {

namespace {

// Takes characters of `text` up to one of `stops`, which stays.
std::string TakeUntil(std::string* text, const char* stops) {
  const size_t end = std::min(text->find_first_of(stops), text->size());
  std::string taken = text->substr(0, end);
  text->erase(0, end);
  return taken;
}

bool TakeChar(std::string* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->erase(0, 1);
  return true;
}

uint64_t ParseBytes(const std::string& text) {
  size_t used = 0;
  const uint64_t number = std::stoull(text, &used);
  const std::string unit = text.substr(used);
  if (unit == "K") return number << 10;
  if (unit == "M") return number << 20;
  if (unit == "G") return number << 30;
  EXPECT_EQ(unit, "") << text;
  return number;
}

void ParseAttribute(const std::string& text, SegmentEntry* entry) {
  if (text == "rd") {
    entry->flags |= kHasRangeDeletes;
  } else if (text[0] == 'h') {
    entry->hidden = std::stoull(text.substr(1));
  } else if (text[0] == 'x' || text[0] == 'e') {
    entry->flags |= kHasExpiry;
    if (text[0] == 'x') entry->flags |= kAllExpire;
    size_t used = 0;
    entry->min_expires_at = entry->max_expires_at = std::stoull(text.substr(1), &used);
    if (1 + used < text.size()) entry->max_expires_at = std::stoull(text.substr(2 + used));
  } else if (text[0] == 's') {
    size_t used = 0;
    entry->smallest_sequence = std::stoull(text.substr(1), &used);
    entry->largest_sequence = std::stoull(text.substr(2 + used));
  } else if (const size_t slash = text.find('/'); slash != std::string::npos) {
    entry->deletes = std::stoull(text.substr(0, slash));
    entry->entries = std::stoull(text.substr(slash + 1));
  } else {
    entry->file_bytes = ParseBytes(text);
  }
}

SegmentEntry ParseSegment(std::string text, uint32_t level, uint64_t epoch, bool* busy) {
  const std::string all = text;
  SegmentEntry entry;
  entry.level = level;
  entry.file_bytes = kDrawnSegmentBytes;
  entry.entries = 100'000;
  const std::string smallest = TakeUntil(&text, "-");
  EXPECT_TRUE(TakeChar(&text, '-')) << all;
  const std::string largest = TakeUntil(&text, ")#");
  const bool exclusive = TakeChar(&text, ')');
  EXPECT_TRUE(TakeChar(&text, '#')) << all;
  entry.number = std::stoull(TakeUntil(&text, "*("));
  *busy = TakeChar(&text, '*');
  // The higher number has the newer entries, unless the text says otherwise.
  entry.epoch = level == 0 ? epoch : entry.number;
  entry.smallest_sequence = entry.largest_sequence = level == 0 ? 1000 * epoch : entry.number;
  if (TakeChar(&text, '(')) {
    std::istringstream attributes(TakeUntil(&text, ")"));
    for (std::string attribute; attributes >> attribute;) ParseAttribute(attribute, &entry);
    EXPECT_TRUE(TakeChar(&text, ')')) << all;
  }
  EXPECT_EQ(text, "") << all;
  AppendInternalKey(&entry.smallest, smallest, PackTrailer(1, ValueType::kValue));
  AppendInternalKey(&entry.largest, largest,
                    exclusive ? SegmentFile::kExclusiveTrailer : PackTrailer(1, ValueType::kValue));
  return entry;
}

const char* Name(CompactionReason reason) {
  switch (reason) {
    case CompactionReason::kLevel0Runs:
      return "level0 runs";
    case CompactionReason::kLevelBytes:
      return "level bytes";
    case CompactionReason::kSizeRatio:
      return "size ratio";
    case CompactionReason::kRuns:
      return "runs";
    case CompactionReason::kSpaceAmplification:
      return "space";
    case CompactionReason::kTombstones:
      return "tombstones";
    case CompactionReason::kGhosts:
      return "ghosts";
    case CompactionReason::kExpired:
      return "expired";
    case CompactionReason::kManual:
      return "manual";
    case CompactionReason::kSmallSegments:
      return "small";
  }
  return "?";
}

}  // namespace

DrawnTree ParseTree(const InternalKeyComparator& comparator, const std::string& text) {
  DrawnTree tree;
  std::vector<SegmentEntry> entries;
  std::istringstream words(text);
  uint32_t level = 0;
  uint64_t epoch = 0;
  std::string joined;  // attributes may hold blanks
  for (std::string word; words >> word;) {
    joined += joined.empty() ? word : " " + word;
    if (std::count(joined.begin(), joined.end(), '(') >
        std::count(joined.begin(), joined.end(), ')')) {
      continue;
    }
    if (joined == "|") {
    } else if (joined[0] == 'L' && joined.back() == ':') {
      level = std::stoul(joined.substr(1));
      const size_t at = joined.find('@');
      epoch = at == std::string::npos ? 0 : std::stoull(joined.substr(at + 1));
    } else {
      bool busy = false;
      entries.push_back(ParseSegment(joined, level, epoch, &busy));
      if (busy) tree.busy.insert(entries.back().number);
    }
    joined.clear();
  }
  EXPECT_EQ(joined, "") << text;
  const Status status = Version::Build(comparator, std::move(entries), 0, &tree.version);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return tree;
}

std::string DrawTree(const Version& version) {
  std::string text;
  for (const auto& run : version.runs()) {
    if (!text.empty()) text += " | ";
    text += "L" + std::to_string(run->level());
    if (run->level() == 0) text += "@" + std::to_string(run->epoch());
    text += ":";
    for (const auto& segment : run->segments()) {
      text += " " + std::string(segment->smallest_user_key()) + "-" +
              std::string(segment->largest_user_key()) +
              (segment->largest_is_exclusive() ? ")" : "") + "#" +
              std::to_string(segment->number());
    }
  }
  return text;
}

std::string DrawPlan(const CompactionPlan& plan) {
  std::string text;
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const CompactionInput& input = plan.inputs[i];
    const bool same_level = i > 0 && plan.inputs[i - 1].level == input.level;
    if (!same_level) text += (i > 0 ? " + L" : "L") + std::to_string(input.level) + ":";
    for (size_t j = 0; j < input.segments.size(); ++j) {
      if (j > 0 || same_level) text += ",";
      text += "#" + std::to_string(input.segments[j]->number());
    }
  }
  text += (plan.trivial_move ? " => L" : " -> L") + std::to_string(plan.output_level);
  if (plan.output_level == 0) text += "@" + std::to_string(plan.output_epoch);
  text += std::string(" (") + Name(plan.reason);
  if (plan.score > 0) {
    char score[32];
    std::snprintf(score, sizeof(score), ", score %.2f", plan.score);
    text += score;
  }
  return text + ")";
}

std::string DrawPlan(const std::optional<CompactionPlan>& plan) {
  return plan ? DrawPlan(*plan) : "none";
}

CompactionPlan RunningPlan(const Version& version, const std::vector<FileNumber>& numbers,
                           uint32_t output_level) {
  CompactionPlan plan;
  plan.output_level = output_level;
  const std::set<FileNumber> wanted(numbers.begin(), numbers.end());
  size_t found = 0;
  for (const auto& run : version.runs()) {
    CompactionInput input{run->level(), {}};
    for (const auto& segment : run->segments()) {
      if (wanted.count(segment->number()) == 0) continue;
      ++found;
      input.segments.push_back(segment);
      plan.output_epoch = std::max(plan.output_epoch, segment->entry().epoch);
    }
    if (!input.segments.empty()) plan.inputs.push_back(std::move(input));
  }
  EXPECT_EQ(found, wanted.size());
  return plan;
}

}  // namespace varve::testing
