// What a compaction may leave out: scenarios as text, and random inputs beside a model of reads.

#include "db/compaction_iterator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "tests/db/vector_iterator.h"

namespace varve {
namespace {

// "k@7=v" a value, "k@7-" a delete, "k@7x" a tombstone of what expired, "k@7+v" a merge operand,
// "k@7~500:v" a value that expires at 500; "a..c@7" a range tombstone.
struct Entry {
  std::string key;
  SequenceNumber sequence = 0;
  ValueType type = ValueType::kValue;
  std::string value;
};

Entry Parse(const std::string& text) {
  Entry entry;
  const size_t at = text.find('@'), mark = text.find_first_of("=-+~x", at);
  entry.key = text.substr(0, at);
  entry.sequence = std::stoull(text.substr(at + 1));
  entry.type = text[mark] == '='   ? ValueType::kValue
               : text[mark] == '-' ? ValueType::kDelete
               : text[mark] == 'x' ? ValueType::kExpired
               : text[mark] == '~' ? ValueType::kValueWithExpiry
                                   : ValueType::kMerge;
  entry.value = text.substr(mark + 1);
  if (entry.type == ValueType::kValueWithExpiry) {
    const size_t colon = entry.value.find(':');
    std::string value;
    PutFixed64(&value, std::stoull(entry.value));
    entry.value = value + entry.value.substr(colon + 1);
  }
  return entry;
}
std::string Draw(Slice internal_key, Slice value) {
  const uint64_t trailer = ExtractTrailer(internal_key);
  const char mark = TrailerType(trailer) == ValueType::kValue             ? '='
                    : TrailerType(trailer) == ValueType::kDelete          ? '-'
                    : TrailerType(trailer) == ValueType::kExpired         ? 'x'
                    : TrailerType(trailer) == ValueType::kValueWithExpiry ? '~'
                                                                          : '+';
  std::string expires;
  if (mark == '~') {
    expires = std::to_string(ExpiresAtOf(value)) + ":";
    value.remove_prefix(kExpiresAtBytes);
  }
  return std::string(ExtractUserKey(internal_key)) + "@" +
         std::to_string(TrailerSequence(trailer)) + mark + expires + std::string(value);
}
RangeTombstone ParseTombstone(const std::string& text) {
  const size_t dots = text.find(".."), at = text.find('@');
  return {text.substr(0, dots), text.substr(dots + 2, at - dots - 2),
          std::stoull(text.substr(at + 1))};
}

// Appends operands with commas between; refuses an operand "!".
class Appender : public MergeOperator {
 public:
  explicit Appender(bool partial) : partial_(partial) {}
  const char* Name() const override { return "append"; }
  bool FullMerge(Slice, const Slice* existing, std::span<const Slice> operands,
                 std::string* result) const override {
    if (existing != nullptr) result->assign(*existing);
    for (const Slice operand : operands) {
      if (operand == "!") return false;
      if (!result->empty()) *result += ",";
      *result += operand;
    }
    return true;
  }
  bool PartialMerge(Slice, Slice older, Slice newer, std::string* result) const override {
    if (!partial_ || older == "!" || newer == "!") return false;
    *result = std::string(older) + "," + std::string(newer);
    return true;
  }

 private:
  const bool partial_;
};

struct Situation {
  std::vector<SequenceNumber> snapshots = {};
  SequenceNumber history_from = 1000;
  std::vector<std::string> tombstones = {};
  std::set<std::string> older = {};  // keys that an older source may hold
  const MergeOperator* merge_operator = nullptr;
  const CompactionFilter* filter = nullptr;
  std::optional<std::string> begin = {}, end = {};
  uint64_t now_ms = 500;
  // Of these keys the versions below the sequence are of sources that a ghost hides.
  std::map<std::string, SequenceNumber> behind_ghosts = {};
};

struct Outcome {
  std::string entries;
  std::string tombstones;
  Status status;
  CompactionIterator::Stats stats;
};

class Compactor {
 public:
  Compactor(const Situation& situation, const std::vector<std::string>& entries) {
    std::vector<RangeTombstone> list;
    for (const std::string& text : situation.tombstones) list.push_back(ParseTombstone(text));
    tombstones_ = std::make_unique<FragmentedRangeTombstones>(comparator_, std::move(list));
    for (const std::string& text : entries) {
      const Entry entry = Parse(text);
      std::string key;
      AppendInternalKey(&key, entry.key, PackTrailer(entry.sequence, entry.type));
      entries_.emplace_back(std::move(key), entry.value);
    }
    std::sort(entries_.begin(), entries_.end(), [this](const auto& a, const auto& b) {
      return comparator_.Compare(a.first, b.first) < 0;
    });
    input_ = std::make_unique<VectorIterator>(comparator_, &entries_);
    CompactionIterator::Context context;
    context.comparator = comparator_;
    context.readers = ReadSequences(situation.snapshots, situation.history_from);
    context.tombstones = tombstones_.get();
    context.older_may_hold = [older = situation.older](Slice key) {
      return older.count(std::string(key)) != 0;
    };
    context.older_may_overlap = [older = situation.older](Slice start, Slice end) {
      const auto key = older.lower_bound(std::string(start));
      return key != older.end() && Slice(*key) < end;
    };
    if (!situation.behind_ghosts.empty()) {
      context.hidden_by_ghost = [this, behind = situation.behind_ghosts](Slice key) {
        const auto found = behind.find(std::string(key));
        return found != behind.end() &&
               TrailerSequence(ExtractTrailer(input_->key())) < found->second;
      };
    }
    context.merge_operator = situation.merge_operator;
    context.filter = situation.filter;
    context.now_ms = situation.now_ms;
    iterator_ = std::make_unique<CompactionIterator>(std::move(context), input_.get());
    begin_ = situation.begin;
    end_ = situation.end;
  }

  Outcome Run() {
    Outcome outcome;
    const std::string* const begin = begin_.has_value() ? &*begin_ : nullptr;
    const std::string* const end = end_.has_value() ? &*end_ : nullptr;
    for (iterator_->Start(begin, end); iterator_->Valid(); iterator_->Next()) {
      if (!outcome.entries.empty()) outcome.entries += " ";
      outcome.entries += Draw(iterator_->key(), iterator_->value());
    }
    outcome.status = iterator_->status();
    for (const RangeTombstone& tombstone : iterator_->KeptTombstones(begin, end)) {
      if (!outcome.tombstones.empty()) outcome.tombstones += " ";
      outcome.tombstones +=
          tombstone.start + ".." + tombstone.end + "@" + std::to_string(tombstone.sequence);
    }
    outcome.stats = iterator_->stats();
    return outcome;
  }

 private:
  const InternalKeyComparator comparator_{BytewiseComparator()};
  std::unique_ptr<FragmentedRangeTombstones> tombstones_;
  std::vector<std::pair<std::string, std::string>> entries_;
  std::unique_ptr<InternalIterator> input_;
  std::unique_ptr<CompactionIterator> iterator_;
  std::optional<std::string> begin_, end_;
};

std::string Kept(const Situation& situation, const std::vector<std::string>& entries) {
  const Outcome outcome = Compactor(situation, entries).Run();
  EXPECT_TRUE(outcome.status.ok()) << outcome.status.ToString();
  if (outcome.tombstones.empty()) return outcome.entries;
  return outcome.entries + (outcome.entries.empty() ? "| " : " | ") + outcome.tombstones;
}

TEST(CompactionIterator, KeepsTheNewestVersionAndWhatSnapshotsSee) {
  EXPECT_EQ(Kept({}, {"a@9=x", "a@5=y", "b@3=z", "b@2=w"}), "a@9=x b@3=z");
  EXPECT_EQ(Kept({.snapshots = {5}}, {"a@9=x", "a@5=y", "a@3=z"}), "a@9=x a@5=y");
  EXPECT_EQ(Kept({.history_from = 4}, {"a@9=x", "a@5=y", "a@3=z", "a@2=w"}), "a@9=x a@5=y a@3=z");
}

// Checklist C5.
TEST(CompactionIterator, KeepsATombstoneWhileSomethingOlderMayLieBeneath) {
  EXPECT_EQ(Kept({.older = {"a"}}, {"a@9-", "b@8-"}), "a@9-");
  EXPECT_EQ(Kept({}, {"a@9-", "a@5=y"}), "");
  // A snapshot sees what it hides.
  EXPECT_EQ(Kept({.snapshots = {7}}, {"a@9-", "a@5=y"}), "a@9- a@5=y");
  EXPECT_EQ(Kept({.snapshots = {9}}, {"a@9-", "a@5=y"}), "");
  EXPECT_EQ(Kept({.history_from = 8}, {"a@9-", "a@5=y"}), "a@9- a@5=y");
  // One that is hidden goes wherever it is.
  EXPECT_EQ(Kept({.older = {"a"}}, {"a@9=x", "a@5-"}), "a@9=x");
}

// RULES R2.4, R2.6: of whatever type, and whoever sees it.
TEST(CompactionIterator, DropsWhatIsBehindAGhost) {
  EXPECT_EQ(Kept({.behind_ghosts = {{"a", 6}}}, {"a@9=x", "a@5=y", "b@3=z"}), "a@9=x b@3=z");
  EXPECT_EQ(Kept({.snapshots = {5}, .behind_ghosts = {{"a", 6}}}, {"a@9=x", "a@5=y", "a@3=z"}),
            "a@9=x");
  EXPECT_EQ(Kept({.older = {"a", "b"}, .behind_ghosts = {{"a", 10}}},
                 {"a@9-", "a@5~900:y", "a@4~100:w", "b@3-"}),
            "b@3-");
  // A delete above the ghost hides what is older still; that the ghost does so too is not counted
  // on.
  EXPECT_EQ(Kept({.older = {"a"}, .behind_ghosts = {{"a", 6}}}, {"a@9-", "a@5=y"}), "a@9-");
  EXPECT_EQ(Kept({.behind_ghosts = {{"a", 6}}}, {"a@9-", "a@5=y"}), "");
  const Outcome outcome =
      Compactor({.behind_ghosts = {{"a", 6}}}, {"a@9=x", "a@5=y", "a@4=z"}).Run();
  EXPECT_EQ(outcome.stats.ghost_dropped, 2u);
  EXPECT_EQ(outcome.stats.dropped(), 2u);
}

TEST(CompactionIterator, OperandsStandOnNothingWhereAGhostHidesTheirBase) {
  const Appender appender(true);
  EXPECT_EQ(
      Kept({.merge_operator = &appender, .behind_ghosts = {{"a", 6}}}, {"a@9+x", "a@8+y", "a@5=z"}),
      "a@9=y,x");
}

TEST(CompactionIterator, RangeTombstonesHideWhatIsOlder) {
  EXPECT_EQ(Kept({.tombstones = {"a..c@5"}, .older = {"b"}}, {"a@4=x", "a@6=y", "b@5=w", "c@4=z"}),
            "a@6=y b@5=w c@4=z | a..c@5");
  EXPECT_EQ(Kept({.tombstones = {"a..c@5"}}, {"a@4=x", "c@4=z"}), "c@4=z");
  // The snapshot at 4 sees a@4, that at 5 does not.
  EXPECT_EQ(Kept({.snapshots = {4}, .tombstones = {"a..c@5"}}, {"a@4=x"}), "a@4=x | a..c@5");
  EXPECT_EQ(Kept({.snapshots = {5}, .tombstones = {"a..c@5"}}, {"a@4=x"}), "");
  // Older than the first reader, and nothing beneath one part of it.
  EXPECT_EQ(Kept({.tombstones = {"a..c@5", "b..e@7"}, .older = {"d"}}, {}), "| c..e@7");
}

TEST(CompactionIterator, OfTombstonesOverEachOtherTheNewestStays) {
  EXPECT_EQ(Kept({.tombstones = {"a..c@5", "a..c@7", "a..c@9"}, .older = {"a"}}, {}), "| a..c@9");
  EXPECT_EQ(
      Kept({.snapshots = {6}, .tombstones = {"a..c@4", "a..c@5", "a..c@9"}, .older = {"a"}}, {}),
      "| a..c@9 a..c@5");
  EXPECT_EQ(
      Kept({.history_from = 5, .tombstones = {"a..c@4", "a..c@7", "a..c@9"}, .older = {"a"}}, {}),
      "| a..c@9 a..c@7 a..c@4");
}

TEST(CompactionIterator, FoldsOperandsThatNobodySeesApart) {
  const Appender append(true);
  const Situation situation{.older = {"a"}, .merge_operator = &append};
  EXPECT_EQ(Kept(situation, {"a@9+3", "a@8+2", "a@7=1", "a@6=0"}), "a@9=1,2,3");
  EXPECT_EQ(Kept(situation, {"a@9+3", "a@8+2", "a@7-", "a@6=0"}), "a@9=2,3");
  EXPECT_EQ(Kept(situation, {"a@9+3", "a@8+2", "b@7+1"}), "a@9+2,3 b@7=1");
  EXPECT_EQ(Kept({.snapshots = {7}, .older = {"a"}, .merge_operator = &append},
                 {"a@9+3", "a@8+2", "a@7+1", "a@6=0"}),
            "a@9+2,3 a@7=0,1");
  EXPECT_EQ(Kept({.snapshots = {8}, .merge_operator = &append}, {"a@9+3", "a@8-", "a@7=0"}),
            "a@9+3");
  EXPECT_EQ(Kept({.tombstones = {"a..b@7"}, .older = {"a"}, .merge_operator = &append},
                 {"a@9+3", "a@6+2", "a@5=1"}),
            "a@9=3 | a..b@7");
}

TEST(CompactionIterator, LeavesOperandsAloneThatCannotBeFolded) {
  const Appender whole(false);
  EXPECT_EQ(Kept({.older = {"a"}, .merge_operator = &whole}, {"a@9+3", "a@8+2"}), "a@9+3 a@8+2");
  EXPECT_EQ(Kept({.merge_operator = &whole}, {"a@9+3", "a@8+!", "a@7=1", "a@6=0", "b@1=x"}),
            "a@9+3 a@8+! a@7=1 b@1=x");
  EXPECT_EQ(Kept({}, {"a@9+3", "a@8+2", "a@7=1", "a@6=0"}), "a@9+3 a@8+2 a@7=1");
}

class ByValue : public CompactionFilter {
 public:
  const char* Name() const override { return "by value"; }
  Decision Filter(int, Slice, Slice value, std::string* new_value) const override {
    if (value == "drop") return Decision::kRemove;
    if (value != "change") return Decision::kKeep;
    *new_value = "changed";
    return Decision::kChange;
  }
};

TEST(CompactionIterator, FilterNeverUncoversAnOlderVersion) {
  const ByValue filter;
  EXPECT_EQ(Kept({.filter = &filter}, {"a@9=drop", "a@5=y", "b@3=change", "c@1=z"}),
            "b@3=changed c@1=z");
  EXPECT_EQ(Kept({.older = {"a"}, .filter = &filter}, {"a@9=drop", "a@5=y"}), "a@9-");
  // What a snapshot sees is left alone.
  EXPECT_EQ(Kept({.snapshots = {9}, .filter = &filter}, {"a@9=drop", "a@5=y"}), "a@9=drop");
  EXPECT_EQ(Kept({.snapshots = {8}, .filter = &filter}, {"a@9=drop", "a@5=y"}), "a@9- a@5=y");
}

// Checklist C5: what has expired hides as a delete does (H33), and goes as one.
TEST(CompactionIterator, WhatExpiredGoesOnHidingWhatIsOlder) {
  EXPECT_EQ(Kept({}, {"a@9~501:x", "a@5=y", "b@8~500:z", "b@4=w"}), "a@9~501:x");
  EXPECT_EQ(Kept({.older = {"b"}}, {"b@8~500:z", "b@4=w", "c@3~1:v"}), "b@8x");
  EXPECT_EQ(Kept({.older = {"b"}}, {"b@8x", "b@4=w"}), "b@8x");
  EXPECT_EQ(Kept({}, {"b@8x", "b@4=w"}), "");
  // A snapshot sees what is older; another sees the entry, and that it has expired.
  EXPECT_EQ(Kept({.snapshots = {7}}, {"a@9~400:x", "a@5=y"}), "a@9x a@5=y");
  EXPECT_EQ(Kept({.snapshots = {9}}, {"a@9~400:x", "a@5=y"}), "");
  EXPECT_EQ(Kept({.snapshots = {7}}, {"a@9=x", "a@5~400:y", "a@3=z"}), "a@9=x");
  EXPECT_EQ(Kept({.snapshots = {7}, .older = {"a"}}, {"a@9=x", "a@5~400:y"}), "a@9=x a@5x");
  // Hidden, it goes whether it has expired or not.
  EXPECT_EQ(Kept({.older = {"a"}}, {"a@9=x", "a@5~400:y", "a@4~600:y"}), "a@9=x");
  EXPECT_EQ(Kept({.now_ms = 0}, {"a@9~0:x"}), "");
  EXPECT_EQ(Kept({.now_ms = UINT64_MAX - 1}, {"a@9~18446744073709551615:x"}),
            "a@9~18446744073709551615:x");
}

TEST(CompactionIterator, CountsWhatExpired) {
  const Outcome outcome =
      Compactor({.older = {"b"}}, {"a@9~1:x", "b@8~1:y", "c@7~900:z", "d@6-"}).Run();
  EXPECT_EQ(outcome.entries, "b@8x c@7~900:z");
  EXPECT_EQ(outcome.stats.expired, 2u);
  EXPECT_EQ(outcome.stats.expired_dropped, 1u);
  EXPECT_EQ(outcome.stats.deletes_dropped, 1u);
  EXPECT_EQ(outcome.stats.entries_read, outcome.stats.entries_written + outcome.stats.dropped());
}

TEST(CompactionIterator, EntriesThatExpireStayApartFromOperands) {
  const Appender append(true);
  for (const MergeOperator* merge :
       {static_cast<const MergeOperator*>(&append), static_cast<const MergeOperator*>(nullptr)}) {
    EXPECT_EQ(Kept({.merge_operator = merge}, {"a@9+3", "a@7~400:x", "a@6=0"}), "a@9+3 a@7~400:x");
    EXPECT_EQ(Kept({.merge_operator = merge}, {"a@9+3", "a@7~900:x", "a@6=0", "b@5~1:v"}),
              "a@9+3 a@7~900:x");
  }
  // Above a value that was written since, nobody sees them.
  EXPECT_EQ(Kept({.merge_operator = &append}, {"a@9+3", "a@8=2", "a@7~400:x"}), "a@9=2,3");
}

TEST(CompactionIterator, TheFilterIsAskedAboutTheValueWithoutItsExpiry) {
  const ByValue filter;
  EXPECT_EQ(Kept({.older = {"b"}, .filter = &filter},
                 {"a@9~501:change", "b@8~501:drop", "c@7~501:keep", "d@6~1:change"}),
            "a@9~501:changed b@8- c@7~501:keep");
}

TEST(CompactionIterator, AnEntryTooShortForItsExpiryEndsIt) {
  std::vector<std::pair<std::string, std::string>> entries(1);
  AppendInternalKey(&entries[0].first, "a", PackTrailer(3, ValueType::kValueWithExpiry));
  entries[0].second = "1234567";
  const InternalKeyComparator comparator(BytewiseComparator());
  VectorIterator input(comparator, &entries);
  CompactionIterator iterator({}, &input);
  iterator.Start(nullptr, nullptr);
  EXPECT_FALSE(iterator.Valid());
  EXPECT_TRUE(iterator.status().IsCorruption());
}

TEST(CompactionIterator, KeepsToItsPart) {
  EXPECT_EQ(Kept({.tombstones = {"a..z@2"}, .older = {"b", "c", "d"}, .begin = "b", .end = "d"},
                 {"a@9=1", "b@9=2", "c@9=3", "d@9=4"}),
            "b@9=2 c@9=3 | b..d@2");
}

// Checklist L1: whatever the keys look like, folded ones too, it looks at the flag every so often.
TEST(CompactionIterator, NoticesThatItIsCancelled) {
  const Appender append(true);
  const InternalKeyComparator comparator(BytewiseComparator());
  struct Case {
    int operands;  // above a value, of each key
    size_t value_bytes;
    uint64_t entries_max;  // read, at most, before it notices
  };
  for (const auto& [operands, value_bytes, entries_max] :
       {Case{0, 1, 2048}, {1, 1, 2048}, {2, 1, 2048}, {5000, 1, 2048}, {0, 64 << 10, 32}}) {
    SCOPED_TRACE(std::to_string(operands) + " operands, " + std::to_string(value_bytes) + " bytes");
    std::vector<std::pair<std::string, std::string>> entries;
    for (int i = 10'000; entries.size() < 20 * entries_max / 2; ++i) {
      for (int n = operands; n >= 0; --n) {
        std::string key;
        AppendInternalKey(&key, std::to_string(i),
                          PackTrailer(7 + n, n == 0 ? ValueType::kValue : ValueType::kMerge));
        entries.emplace_back(std::move(key), std::string(value_bytes, 'v'));
      }
    }
    VectorIterator input(comparator, &entries);
    const std::atomic<bool> cancelled{true};
    std::atomic<uint64_t> done{0};
    CompactionIterator::Context context;
    context.readers = ReadSequences({}, 1'000'000);
    context.older_may_hold = [](Slice) { return true; };
    context.merge_operator = &append;
    context.cancelled = [&] { return cancelled.load(); };
    context.entries_done = &done;
    CompactionIterator iterator(std::move(context), &input);
    for (iterator.Start(nullptr, nullptr); iterator.Valid(); iterator.Next()) {
    }
    EXPECT_TRUE(iterator.status().IsAborted());
    EXPECT_LE(iterator.stats().entries_read, entries_max);
    EXPECT_EQ(done.load(), iterator.stats().entries_read);
  }
}

TEST(CompactionIterator, AnUnknownTypeEndsIt) {
  std::vector<std::pair<std::string, std::string>> entries(1);
  AppendInternalKey(&entries[0].first, "a", PackTrailer(3, static_cast<ValueType>(77)));
  const InternalKeyComparator comparator(BytewiseComparator());
  VectorIterator input(comparator, &entries);
  CompactionIterator::Context context;
  CompactionIterator iterator(std::move(context), &input);
  iterator.Start(nullptr, nullptr);
  EXPECT_FALSE(iterator.Valid());
  EXPECT_TRUE(iterator.status().IsNotSupported());
}

// Checklist S13: an input that ends with an error is not an input that ended.
TEST(CompactionIterator, AnErrorOfTheInputIsItsOwn) {
  std::vector<std::pair<std::string, std::string>> entries(2);
  AppendInternalKey(&entries[0].first, "a", PackTrailer(3, ValueType::kValue));
  AppendInternalKey(&entries[1].first, "b", PackTrailer(3, ValueType::kValue));
  const InternalKeyComparator comparator(BytewiseComparator());
  VectorIterator input(comparator, &entries, 1, Status::IOError("gone"));
  CompactionIterator iterator({}, &input);
  iterator.Start(nullptr, nullptr);
  EXPECT_TRUE(iterator.Valid());
  iterator.Next();
  EXPECT_FALSE(iterator.Valid());
  EXPECT_TRUE(iterator.status().IsIOError());
}

// ---- Beside a model of reads -------------------------------------------------------------------

struct History {
  std::vector<Entry> entries;
  std::vector<RangeTombstone> tombstones;
};

// What a read of the key at `at` finds over `histories`, given newest source first or not: only
// sequences count.
std::optional<std::string> Read(const std::vector<const History*>& histories,
                                const std::string& key, SequenceNumber at) {
  SequenceNumber covered = 0;
  std::map<SequenceNumber, const Entry*, std::greater<>> versions;
  for (const History* history : histories) {
    for (const RangeTombstone& t : history->tombstones) {
      if (t.sequence <= at && t.start <= key && key < t.end)
        covered = std::max(covered, t.sequence);
    }
    for (const Entry& entry : history->entries) {
      if (entry.key == key && entry.sequence <= at) versions[entry.sequence] = &entry;
    }
  }
  std::vector<Slice> operands;
  std::optional<std::string> base;
  for (const auto& [sequence, entry] : versions) {
    if (sequence < covered || entry->type == ValueType::kDelete) break;
    if (entry->type == ValueType::kValue) {
      base = entry->value;
      break;
    }
    operands.insert(operands.begin(), entry->value);
  }
  if (operands.empty()) return base;
  std::string result;
  const Slice existing = base.has_value() ? Slice(*base) : Slice();
  Appender(true).FullMerge(key, base.has_value() ? &existing : nullptr, operands, &result);
  return result;
}

TEST(CompactionIterator, NoReaderSeesADifference) {
  const std::string keys = "abcdef";
  for (uint32_t seed = 1; seed <= 4000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto pick = [&random](uint32_t n) { return random() % n; };
    const auto key = [&] { return std::string(1, keys[pick(keys.size())]); };
    History older, inputs;
    SequenceNumber sequence = 1;
    const SequenceNumber last = 2 + pick(40), older_until = pick(static_cast<uint32_t>(last));
    const bool ranges = pick(2) == 0;
    for (; sequence <= last; ++sequence) {
      History& history = sequence <= older_until ? older : inputs;
      const uint32_t what = pick(10);
      if (what < 2 && ranges) {
        std::string a = key(), b = key() + (pick(2) == 0 ? "" : "z");
        if (a < b) history.tombstones.push_back({a, b, sequence});
      } else {
        history.entries.push_back({key(), sequence,
                                   what < 5   ? ValueType::kValue
                                   : what < 8 ? ValueType::kMerge
                                              : ValueType::kDelete,
                                   what >= 5 && what < 8 ? std::to_string(sequence)
                                   : what < 5            ? "v" + std::to_string(sequence)
                                                         : ""});
      }
    }
    Situation situation;
    const Appender whole(false), partial(true);
    if (pick(4) != 0) situation.merge_operator = pick(2) == 0 ? &whole : &partial;
    situation.history_from = pick(3) == 0 ? pick(static_cast<uint32_t>(last)) : last;
    for (uint32_t i = pick(4); i > 0; --i) {
      situation.snapshots.push_back(pick(static_cast<uint32_t>(last)));
    }
    std::sort(situation.snapshots.begin(), situation.snapshots.end());
    for (const Entry& entry : older.entries) situation.older.insert(entry.key);
    for (const RangeTombstone& t : inputs.tombstones) {
      situation.tombstones.push_back(t.start + ".." + t.end + "@" + std::to_string(t.sequence));
    }
    std::vector<std::string> texts;
    for (const Entry& e : inputs.entries) {
      texts.push_back(e.key + "@" + std::to_string(e.sequence) +
                      (e.type == ValueType::kValue    ? "="
                       : e.type == ValueType::kDelete ? "-"
                                                      : "+") +
                      e.value);
    }
    const Outcome outcome = Compactor(situation, texts).Run();
    ASSERT_TRUE(outcome.status.ok());
    History after;
    size_t at = 0;
    while (at < outcome.entries.size()) {
      const size_t space = std::min<size_t>(outcome.entries.find(' ', at), outcome.entries.size());
      after.entries.push_back(Parse(outcome.entries.substr(at, space - at)));
      at = space + 1;
    }
    for (at = 0; at < outcome.tombstones.size();) {
      const size_t space =
          std::min<size_t>(outcome.tombstones.find(' ', at), outcome.tombstones.size());
      after.tombstones.push_back(ParseTombstone(outcome.tombstones.substr(at, space - at)));
      at = space + 1;
    }
    EXPECT_EQ(outcome.stats.entries_written, after.entries.size());
    EXPECT_EQ(outcome.stats.entries_read, inputs.entries.size());
    std::set<SequenceNumber> readers(situation.snapshots.begin(), situation.snapshots.end());
    for (SequenceNumber s = situation.history_from; s <= last; ++s) readers.insert(s);
    for (const char k : keys) {
      for (const std::string& user_key : {std::string(1, k), std::string(1, k) + "q"}) {
        for (const SequenceNumber reader : readers) {
          ASSERT_EQ(Read({&older, &inputs}, user_key, reader),
                    Read({&older, &after}, user_key, reader))
              << user_key << " at " << reader << "\nwas:  " << ::testing::PrintToString(texts)
              << " | " << ::testing::PrintToString(situation.tombstones)
              << "\nkept: " << outcome.entries << " | " << outcome.tombstones;
        }
      }
    }
    // Nothing stays that need not: with one reader and nothing beneath, one entry a key at most.
    if (older.entries.empty() && situation.snapshots.empty() && situation.history_from == last &&
        situation.merge_operator != nullptr) {
      std::set<std::string> seen;
      for (const Entry& entry : after.entries) {
        EXPECT_TRUE(seen.insert(entry.key).second) << outcome.entries;
        EXPECT_EQ(entry.type, ValueType::kValue) << outcome.entries;
      }
      EXPECT_TRUE(after.tombstones.empty()) << outcome.tombstones;
    }
  }
}

}  // namespace
}  // namespace varve
