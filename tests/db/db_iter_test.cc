#include "db/db_iter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/db/db_iter_fixture.h"
#include "util/random.h"

namespace varve {
namespace {

using namespace db_iter_fixture;  // NOLINT: its names are made for these tests

// A scenario: versions, and what the two walks show.
struct Scenario {
  std::vector<TestVersion> versions;
  SequenceNumber at;
  std::string shown;
};

TEST(DbIter, HidesVersionsAndTombstones) {
  const Scenario scenarios[] = {
      {{}, 9, ""},
      {{{"a", 1, kValue, "1"}}, 9, "a=1"},
      {{{"a", 1, kValue, "1"}, {"a", 2, kValue, "2"}}, 9, "a=2"},
      {{{"a", 1, kValue, "1"}, {"a", 2, kValue, "2"}}, 1, "a=1"},
      {{{"a", 1, kValue, "1"}}, 0, ""},
      {{{"a", 1, kValue, "1"}, {"a", 2, kDelete, ""}}, 9, ""},
      {{{"a", 1, kValue, "1"}, {"a", 2, kDelete, ""}}, 1, "a=1"},
      {{{"a", 1, kDelete, ""}, {"a", 2, kValue, "2"}}, 9, "a=2"},
      {{{"a", 1, kValue, "1"}, {"a", 2, kDelete, ""}, {"a", 3, kValue, "3"}}, 9, "a=3"},
      {{{"a", 1, kValue, "1"}, {"b", 2, kDelete, ""}, {"c", 3, kValue, "3"}}, 9, "a=1 c=3"},
      {{{"a", 1, kValue, "1"}, {"ab", 2, kValue, "2"}, {"a", 3, kDelete, ""}}, 9, "ab=2"},
      {{{"", 1, kValue, "empty"}, {std::string(1, '\0'), 2, kValue, "zero"}},
       9,
       "=empty " + std::string(1, '\0') + "=zero"},
      {{{"a", 0, kDelete, ""}, {"b", 0, kValue, "0"}}, 9, "b=0"},
  };
  for (const Scenario& scenario : scenarios) {
    TestSource source{InternalKeyComparator(BytewiseComparator()), 1};
    for (const TestVersion& version : scenario.versions) source.Add(0, version);
    source.Sort();
    source.at = scenario.at;
    const auto it = Iterate(&source);
    EXPECT_FALSE(it->Valid());
    EXPECT_EQ(Walk(it.get(), true), scenario.shown);
    EXPECT_EQ(Walk(it.get(), false), scenario.shown);
  }
}

TEST(DbIter, ShowsTheNewestBytesOfKeysThatCompareEqual) {
  TestSource source{InternalKeyComparator(CaseInsensitiveComparator()), 1};
  source.Add(0, {"Key", 1, kValue, "1"});
  source.Add(0, {"kEY", 2, kValue, "2"});
  source.Add(0, {"KEY", 3, kValue, "3"});
  source.Sort();
  source.at = 2;
  const auto it = Iterate(&source, {}, CaseInsensitiveComparator());
  EXPECT_EQ(Walk(it.get(), true), "kEY=2");
  EXPECT_EQ(Walk(it.get(), false), "kEY=2");
  it->Seek("key");
  EXPECT_EQ(Text(*it), "kEY=2");
  it->SeekForPrev("key");
  EXPECT_EQ(Text(*it), "kEY=2");
}

TEST(DbIter, UnknownTypesAreNotSupportedIfTheyCount) {
  for (const auto type :
       {ValueType::kValuePointerWithExpiry, ValueType::kValuePointer, static_cast<ValueType>(99)}) {
    TestSource source{InternalKeyComparator(BytewiseComparator()), 1};
    source.Add(0, {"a", 1, kValue, "1"});
    source.Add(0, {"b", 2, type, "2"});
    source.Add(0, {"c", 3, kValue, "3"});
    source.Sort();
    auto it = Iterate(&source);
    EXPECT_EQ(Walk(it.get(), true), "a=1 NotSupported");
    EXPECT_EQ(Walk(it.get(), false), "NotSupported c=3");
    source.Add(0, {"b", 4, kValue, "4"});
    source.Sort();
    it = Iterate(&source);
    EXPECT_EQ(Walk(it.get(), true), "a=1 b=4 c=3");
    EXPECT_EQ(Walk(it.get(), false), "a=1 b=4 c=3");
  }
}

// Checklist E10: both directions; and what a newer version of a key that has expired hid.
TEST(DbIter, EntriesShowUntilTheyExpire) {
  TestSource source{InternalKeyComparator(BytewiseComparator()), 2};
  source.Add(0, {"a", 5, kExpiringValue, Expiring(100, "new")});
  source.Add(1, {"a", 1, kValue, "old"});
  source.Add(0, {"b", 6, kExpiringValue, Expiring(101, "")});
  source.Add(0, {"c", 7, ValueType::kEvicted, ""});
  source.Add(1, {"c", 2, kValue, "old"});
  source.Add(1, {"d", 3, kValue, "4"});
  source.Sort();
  source.now_ms = 99;
  auto it = Iterate(&source);
  EXPECT_EQ(Walk(it.get(), true), "a=new b= d=4");
  EXPECT_EQ(Walk(it.get(), false), "a=new b= d=4");
  source.now_ms = 100;
  EXPECT_EQ(Walk(it.get(), true), "a=new b= d=4");  // until it asks anew
  ASSERT_TRUE(it->Refresh().ok());
  EXPECT_EQ(Walk(it.get(), true), "b= d=4");
  EXPECT_EQ(Walk(it.get(), false), "b= d=4");
  source.at = 4;  // a snapshot's
  ASSERT_TRUE(it->Refresh().ok());
  EXPECT_EQ(Walk(it.get(), true), "a=old c=old d=4");
}

// The keys, each with when it expires.
std::string Expiries(Iterator* it, bool forward) {
  std::string text;
  for (forward ? it->SeekToFirst() : it->SeekToLast(); it->Valid();
       forward ? it->Next() : it->Prev()) {
    std::string entry(it->key());
    if (const auto at = it->expires_at_ms(); at.has_value()) entry += "@" + std::to_string(*at);
    text = forward ? text + entry + " " : entry + " " + text;
  }
  return text;
}

TEST(DbIter, TellsWhenAnEntryExpires) {
  TestSource source{InternalKeyComparator(BytewiseComparator()), 2};
  source.Add(0, {"a", 5, kExpiringValue, Expiring(100, "1")});
  source.Add(1, {"a", 1, kExpiringValue, Expiring(200, "old")});
  source.Add(0, {"b", 6, kExpiringValue, Expiring(UINT64_MAX, "2")});
  source.Add(0, {"c", 8, kMerge, "x"});  // made between two that expire
  source.Add(1, {"c", 2, kValue, "3"});
  source.Add(0, {"d", 9, kExpiringValue, Expiring(300, "4")});
  source.Add(1, {"e", 3, kValue, "5"});
  // More versions than backward steps are made over.
  for (SequenceNumber s = 10; s < 60; ++s) {
    source.Add(0, {"f", s, kExpiringValue, Expiring(1000 + s, "6")});
  }
  source.Sort();
  source.now_ms = 99;
  const auto it = Iterate(&source);
  EXPECT_EQ(Walk(it.get(), true), "a=1 b=2 c=3,x d=4 e=5 f=6");
  EXPECT_EQ(Expiries(it.get(), true), "a@100 b c d@300 e f@1059 ");
  EXPECT_EQ(Expiries(it.get(), false), "a@100 b c d@300 e f@1059 ");
  source.at = 4;
  ASSERT_TRUE(it->Refresh().ok());
  EXPECT_EQ(Expiries(it.get(), false), "a@200 c e ");
}

// What they would make depends on when they are folded. A range tombstone in between ends that.
TEST(DbIter, OperandsOverAnEntryThatExpiresAreNotSupported) {
  for (const uint64_t now : {0, 1000}) {
    for (const bool operand_in_place : {true, false}) {
      TestSource source{InternalKeyComparator(BytewiseComparator()), 1};
      source.Add(0, {"a", 1, kValue, "1"});
      source.Add(0, {"b", 5, kMerge, "x"});
      if (operand_in_place) source.Add(0, {"b", 4, kMerge, "y"});
      source.Add(0, {"b", 2, kExpiringValue, Expiring(500, "2")});
      source.Add(0, {"c", 3, kValue, "3"});
      source.Sort();
      source.now_ms = now;
      auto it = Iterate(&source);
      EXPECT_EQ(Walk(it.get(), true), "a=1 NotSupported");
      EXPECT_EQ(Walk(it.get(), false), "NotSupported c=3");
      source.AddRange(0, {"b", "c", 3});
      it = Iterate(&source);
      const std::string shown = operand_in_place ? "a=1 b=-,y,x c=3" : "a=1 b=-,x c=3";
      EXPECT_EQ(Walk(it.get(), true), shown);
      EXPECT_EQ(Walk(it.get(), false), shown);
    }
  }
}

TEST(DbIter, AnEntryTooShortForItsExpiryIsCorruption) {
  TestSource source{InternalKeyComparator(BytewiseComparator()), 1};
  source.Add(0, {"a", 1, kValue, "1"});
  source.Add(0, {"b", 2, kExpiringValue, "1234567"});
  source.Sort();
  const auto it = Iterate(&source);
  EXPECT_EQ(Walk(it.get(), true), "a=1 Corruption");
  EXPECT_EQ(Walk(it.get(), false), "Corruption");
}

TEST(DbIter, WhatIsNoInternalKeyIsCorruption) {
  TestSource source{InternalKeyComparator(BytewiseComparator()), 1};
  source.Add(0, {"a", 1, kValue, "1"});
  source.AddRaw(0, "short", "");
  source.Add(0, {"c", 3, kValue, "3"});
  const auto it = Iterate(&source);
  EXPECT_EQ(Walk(it.get(), true), "a=1 Corruption");
  EXPECT_EQ(Walk(it.get(), false), "Corruption");
}

TEST(DbIter, CopiesItsBounds) {
  TestSource source{InternalKeyComparator(BytewiseComparator()), 1};
  for (const char* key : {"a", "b", "c", "d"}) source.Add(0, {key, 1, kValue, ""});
  std::string lower = "b", upper = "d";
  ReadOptions options;
  options.lower_bound = lower;
  options.upper_bound = upper;
  const auto it = Iterate(&source, options);
  lower = "x", upper = "x";
  EXPECT_EQ(Walk(it.get(), true), "b= c=");
  EXPECT_EQ(Walk(it.get(), false), "b= c=");
}

TEST(DbIter, RefreshShowsTheNewState) {
  TestSource source{InternalKeyComparator(BytewiseComparator()), 2};
  source.Add(0, {"a", 1, kValue, "1"});
  const auto it = Iterate(&source);
  it->SeekToFirst();
  EXPECT_EQ(Text(*it), "a=1");
  source.Add(1, {"a", 2, kValue, "2"});
  ASSERT_TRUE(it->Refresh().ok());
  EXPECT_FALSE(it->Valid());
  EXPECT_EQ(Walk(it.get(), true), "a=2");
  EXPECT_EQ(source.renewals, 2);
}

TEST(DbIter, AFailedRefreshStays) {
  TestSource source{InternalKeyComparator(BytewiseComparator()), 1};
  source.Add(0, {"a", 1, kValue, "1"});
  const auto it = Iterate(&source);
  source.error = Status::Aborted("closing");
  EXPECT_EQ(it->Refresh().code(), Status::Code::kAborted);
  for (int i = 0; i < 2; ++i) {
    it->SeekToFirst();
    EXPECT_EQ(Text(*it), "Aborted");
    it->SeekToLast();
    EXPECT_EQ(Text(*it), "Aborted");
    it->Seek("a");
    EXPECT_EQ(Text(*it), "Aborted");
    it->SeekForPrev("a");
    EXPECT_EQ(Text(*it), "Aborted");
  }
  source.error = Status::OK();
  ASSERT_TRUE(it->Refresh().ok());
  EXPECT_EQ(Walk(it.get(), true), "a=1");
  source.error = Status::Aborted("closing");
  EXPECT_EQ(Text(*Iterate(&source)), "Aborted");
}

// ---- Model
// ---------------------------------------------------------------------------------------

// What is to be seen, in the order of the comparator.
using Visible = std::vector<std::pair<std::string, std::string>>;

Visible VisibleAt(const Comparator* comparator, const std::vector<TestVersion>& versions,
                  SequenceNumber at, const ReadOptions& options) {
  const auto less = [comparator](const std::string& a, const std::string& b) {
    return comparator->Compare(a, b) < 0;
  };
  std::map<std::string, const TestVersion*, decltype(less)> newest(less);
  for (const TestVersion& version : versions) {
    if (version.sequence > at) continue;
    if (options.lower_bound && comparator->Compare(version.key, *options.lower_bound) < 0) continue;
    if (options.upper_bound && comparator->Compare(version.key, *options.upper_bound) >= 0) {
      continue;
    }
    const TestVersion*& slot = newest[version.key];
    if (slot == nullptr || slot->sequence < version.sequence) slot = &version;
  }
  Visible visible;
  for (const auto& [key, version] : newest) {
    if (version->type == kValue) visible.emplace_back(version->key, version->value);
  }
  return visible;
}

class DbIterModelTest : public testing::TestWithParam<const Comparator*> {};

TEST_P(DbIterModelTest, WalksLikeTheMapOfWhatIsVisible) {
  const Comparator* const comparator = GetParam();
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t children = 1 + random.Uniform(4);
    const int alphabet = 1 + static_cast<int>(random.Uniform(4));
    TestSource source(InternalKeyComparator(comparator), children);
    std::vector<TestVersion> versions;
    const uint64_t count = random.Uniform(random.OneIn(3) ? 600 : 60);
    const uint64_t hot = random.Uniform(4);  // of 4: versions of one key, in long runs
    for (SequenceNumber sequence = 1; sequence <= count; ++sequence) {
      const bool is_delete = random.OneIn(3);
      versions.push_back({random.Uniform(4) < hot ? "a" : RandomKey(&random, alphabet), sequence,
                          is_delete ? kDelete : kValue, is_delete ? "" : std::to_string(sequence)});
      source.Add(random.Uniform(children), versions.back());
    }
    source.Sort();
    source.at = random.OneIn(3) ? kMaxSequence : random.Uniform(count + 1);
    ReadOptions options;
    const std::string lower = RandomKey(&random, alphabet), upper = RandomKey(&random, alphabet);
    if (random.OneIn(3)) options.lower_bound = lower;
    if (random.OneIn(3)) options.upper_bound = upper;
    const Visible visible = VisibleAt(comparator, versions, source.at, options);

    const auto it = Iterate(&source, options, comparator);
    size_t at = SIZE_MAX;
    for (int step = 0; step < 300; ++step) {
      const uint64_t what = random.Uniform(20);
      const std::string target = RandomKey(&random, 4);
      const auto below = [&](const auto& entry) {
        return comparator->Compare(entry.first, target) < 0;
      };
      const auto not_above = [&](const auto& entry) {
        return comparator->Compare(entry.first, target) <= 0;
      };
      if (what == 0) {
        it->SeekToFirst();
        at = 0;
      } else if (what == 1) {
        it->SeekToLast();
        at = visible.size() - 1;
      } else if (what == 2) {
        it->Seek(target);
        at = std::count_if(visible.begin(), visible.end(), below);
      } else if (what == 3) {
        it->SeekForPrev(target);
        at = std::count_if(visible.begin(), visible.end(), not_above) - 1;
      } else if (at < visible.size()) {
        if (what < 12) {
          it->Next();
          ++at;
        } else {
          it->Prev();
          --at;
        }
      }
      ASSERT_TRUE(it->status().ok());
      ASSERT_EQ(it->Valid(), at < visible.size()) << "step " << step;
      if (it->Valid()) {
        ASSERT_EQ(it->key(), visible[at].first);
        ASSERT_EQ(it->value(), visible[at].second);
      }
    }
  }
}

// Checklist I5, E10: one entry cannot be read. Whatever the walk, what shows is what would show
// without the damage, in its place, or the error; nothing is passed over, nothing older shows.
TEST_P(DbIterModelTest, DamageAnywhereNeverShowsWhatIsStale) {
  const Comparator* const comparator = GetParam();
  uint64_t errors = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t children = 1 + random.Uniform(3);
    TestSource source(InternalKeyComparator(comparator), children);
    std::vector<TestVersion> versions;
    const uint64_t count = 1 + random.Uniform(seed % 5 == 0 ? 120 : 25);
    const uint64_t hot = random.Uniform(4);
    for (SequenceNumber sequence = 1; sequence <= count; ++sequence) {
      const bool is_delete = random.OneIn(4);
      versions.push_back({random.Uniform(4) < hot ? "a" : RandomKey(&random, 3), sequence,
                          is_delete ? kDelete : kValue, is_delete ? "" : std::to_string(sequence)});
      source.Add(random.Uniform(children), versions.back());
    }
    source.Sort();
    source.at = random.OneIn(2) ? kMaxSequence : random.Uniform(count + 1);
    const Visible visible = VisibleAt(comparator, versions, source.at, {});
    for (source.damaged_child = 0; source.damaged_child < children; ++source.damaged_child) {
      for (source.damaged = 0; source.damaged < source.EntriesOf(source.damaged_child);
           ++source.damaged) {
        const auto it = Iterate(&source, {}, comparator);
        size_t at = 0;
        for (it->SeekToFirst(); it->Valid(); it->Next(), ++at) {
          ASSERT_LT(at, visible.size());
          ASSERT_EQ(it->key(), visible[at].first);
          ASSERT_EQ(it->value(), visible[at].second);
        }
        // A seek out of a long run of hidden versions may go past the damage, and lose nothing by
        // it.
        ASSERT_TRUE(it->status().IsCorruption() || (count > 32 && at == visible.size()));

        at = visible.size();
        for (it->SeekToLast(); it->Valid(); it->Prev()) {
          ASSERT_GT(at, 0u);
          --at;
          ASSERT_EQ(it->key(), visible[at].first);
          ASSERT_EQ(it->value(), visible[at].second);
        }
        ASSERT_TRUE(it->status().IsCorruption() || (count > 32 && at == 0));

        // Seeks and turns, each from anew after an error.
        at = SIZE_MAX;
        for (int step = 0; step < 40; ++step) {
          if (!it->Valid() || random.OneIn(6)) {
            const std::string target = RandomKey(&random, 3);
            const bool forward = random.OneIn(2);
            forward ? it->Seek(target) : it->SeekForPrev(target);
            at = std::count_if(visible.begin(), visible.end(), [&](const auto& entry) {
              const int order = comparator->Compare(entry.first, target);
              return order < 0 || (!forward && order == 0);
            });
            if (!forward) --at;
          } else if (random.OneIn(2)) {
            it->Next();
            ++at;
          } else {
            it->Prev();
            --at;
          }
          if (!it->status().ok()) {
            ++errors;
            ASSERT_FALSE(it->Valid());
            continue;
          }
          ASSERT_EQ(it->Valid(), at < visible.size());
          if (it->Valid()) {
            ASSERT_EQ(it->key(), visible[at].first);
            ASSERT_EQ(it->value(), visible[at].second);
          }
        }
      }
    }
  }
  EXPECT_GT(errors, 100u);
}

INSTANTIATE_TEST_SUITE_P(Comparators, DbIterModelTest,
                         testing::Values(BytewiseComparator(), ReverseComparator()));

}  // namespace
}  // namespace varve
