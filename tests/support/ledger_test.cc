#include "tests/support/ledger.h"

#include <gtest/gtest.h>

namespace varve {
namespace {

using Op = Ledger::Op;

uint64_t Hash(const Ledger::State& state) {
  uint64_t sum = 0;
  for (const auto& [key, value] : state) sum += Ledger::HashEntry(key, value);
  return sum;
}

// One writer: three batches, the second durable, all acknowledged at positions 10, 20, 30.
std::shared_ptr<Ledger> ThreeBatches() {
  auto ledger = std::make_shared<Ledger>(1);
  EXPECT_EQ(ledger->Begin(0, {{"a", "1"}, {"b", "1"}}, true, 5), 1u);
  ledger->Acknowledge(0, 1, false, 10);
  EXPECT_EQ(ledger->Begin(0, {{"a", "2"}}, true, 15), 2u);
  ledger->Acknowledge(0, 2, true, 20);
  EXPECT_EQ(ledger->Begin(0, {{"b", std::nullopt}, {"c", "3"}}, true, 25), 3u);
  ledger->Acknowledge(0, 3, false, 30);
  return ledger;
}

bool Legal(const Ledger& ledger, const Ledger::State& state, uint64_t position, bool kill) {
  return ledger.Judge({Hash(state)}, position, ledger.At(position, kill)).legal;
}

TEST(Ledger, BoundsFollowThePosition) {
  const auto ledger = ThreeBatches();
  const auto bounds = [&](uint64_t position, bool kill) {
    const Ledger::Bounds b = ledger->At(position, kill);
    return std::make_pair(b.low[0], b.high[0]);
  };
  EXPECT_EQ(bounds(4, false), std::make_pair(0u, 0u));
  EXPECT_EQ(bounds(5, true), std::make_pair(0u, 1u));
  EXPECT_EQ(bounds(10, true), std::make_pair(1u, 1u));
  EXPECT_EQ(bounds(10, false), std::make_pair(0u, 1u));
  EXPECT_EQ(bounds(19, false), std::make_pair(0u, 2u));
  EXPECT_EQ(bounds(20, false), std::make_pair(2u, 2u));
  EXPECT_EQ(bounds(100, false), std::make_pair(2u, 3u));
  EXPECT_EQ(bounds(100, true), std::make_pair(3u, 3u));
}

TEST(Ledger, AcceptsPrefixesWithinTheBoundsOnly) {
  const auto ledger = ThreeBatches();
  const Ledger::State one = {{"a", "1"}, {"b", "1"}}, two = {{"a", "2"}, {"b", "1"}},
                      three = {{"a", "2"}, {"c", "3"}};
  EXPECT_TRUE(Legal(*ledger, {}, 4, false));
  EXPECT_TRUE(Legal(*ledger, one, 15, false));
  EXPECT_FALSE(Legal(*ledger, one, 30, false));  // the second was durable
  EXPECT_TRUE(Legal(*ledger, two, 30, false));
  EXPECT_FALSE(Legal(*ledger, two, 30, true));  // a kill loses nothing acknowledged
  EXPECT_TRUE(Legal(*ledger, three, 30, true));
  EXPECT_FALSE(Legal(*ledger, three, 24, false));  // not yet invoked
}

TEST(Ledger, SeesTornBatchesStaleValuesAndStrangers) {
  const auto ledger = ThreeBatches();
  const Ledger::State torn = {{"a", "2"}, {"b", "1"}, {"c", "3"}}, stale = {{"a", "1"}, {"c", "3"}},
                      stranger = {{"a", "2"}, {"c", "3"}, {"d", "?"}};
  for (const Ledger::State& state : {torn, stale, stranger}) {
    EXPECT_FALSE(Legal(*ledger, state, 30, false));
  }
  const Ledger::Bounds bounds = ledger->At(30, false);
  EXPECT_NE(ledger->Explain(torn, 30, bounds).find("NO PREFIX"), std::string::npos);
  EXPECT_NE(ledger->Explain(stale, 30, bounds).find("key 'a'"), std::string::npos);
  EXPECT_NE(ledger->Explain(stranger, 30, bounds).find("'d' was never written"), std::string::npos);
}

TEST(Ledger, UnloggedWritesMayDieWithTheProcess) {
  Ledger ledger(1);
  ledger.Begin(0, {{"a", "1"}}, /*logged=*/false, 0);
  ledger.Acknowledge(0, 1, false, 1);
  EXPECT_EQ(ledger.At(2, true).low[0], 0u);
  ledger.AllDurable(ledger.Acknowledged(), 3);
  EXPECT_EQ(ledger.At(2, false).low[0], 0u);
  EXPECT_EQ(ledger.At(3, false).low[0], 1u);
}

TEST(Ledger, PrefixHoldsAcrossWriters) {
  Ledger ledger(2);
  ledger.Begin(0, {{"a", "1"}}, true, 0);
  ledger.Acknowledge(0, 1, false, 1);
  ledger.Begin(1, {{"x", "1"}}, true, 2);  // after a@1 was acknowledged
  ledger.Begin(0, {{"a", "2"}}, true, 2);  // concurrent with x@1
  ledger.Acknowledge(1, 1, false, 3);
  ledger.Acknowledge(0, 2, false, 3);
  const Ledger::Bounds bounds = ledger.At(3, false);
  const auto legal = [&](const Ledger::State& first, const Ledger::State& second) {
    return ledger.Judge({Hash(first), Hash(second)}, 3, bounds).legal;
  };
  EXPECT_TRUE(legal({}, {}));
  EXPECT_TRUE(legal({{"a", "1"}}, {}));
  EXPECT_TRUE(legal({{"a", "2"}}, {}));
  EXPECT_TRUE(legal({{"a", "1"}}, {{"x", "1"}}));
  EXPECT_FALSE(legal({}, {{"x", "1"}}));
}

TEST(Ledger, WhatLooksAlikeIsJudgedKindly) {
  Ledger ledger(1);
  ledger.Begin(0, {{"a", "1"}}, true, 0);
  ledger.Begin(0, {{"b", std::nullopt}}, true, 0);  // changes nothing
  ledger.Acknowledge(0, 1, true, 1);
  ledger.Acknowledge(0, 2, true, 1);
  EXPECT_TRUE(ledger.Judge({Hash({{"a", "1"}})}, 1, ledger.At(1, false)).legal);
}

TEST(Ledger, ContinuingSessionForgetsWhatRecoveryDidNotFind) {
  const auto first = ThreeBatches();
  auto second = std::make_shared<Ledger>(first, 30, /*kill=*/true);
  // Before the open has returned: as before, but a power loss may still take what was cached.
  EXPECT_EQ(second->At(3, true).low[0], 3u);
  EXPECT_EQ(second->At(3, false).low[0], 2u);
  EXPECT_TRUE(Legal(*second, {{"a", "2"}, {"b", "1"}}, 3, false));
  second->Resolve({2}, 7);
  EXPECT_EQ(second->Begin(0, {{"d", "4"}}, true, 8), 3u);
  second->Acknowledge(0, 3, false, 9);
  EXPECT_TRUE(Legal(*second, {{"a", "2"}, {"b", "1"}}, 7, false));
  EXPECT_TRUE(Legal(*second, {{"a", "2"}, {"b", "1"}, {"d", "4"}}, 9, true));
  EXPECT_FALSE(Legal(*second, {{"a", "2"}, {"c", "3"}}, 9, false));  // resurrected
  EXPECT_FALSE(Legal(*second, {{"a", "2"}, {"c", "3"}, {"d", "4"}}, 9, false));
  // A crash in recovery's first steps, and a third session.
  Ledger third(second, 3, /*kill=*/false);
  EXPECT_TRUE(Legal(third, {{"a", "2"}, {"c", "3"}}, 0, true));
  EXPECT_FALSE(Legal(third, {{"a", "1"}, {"b", "1"}}, 0, false));
  EXPECT_EQ(second->Keys(), (std::vector<std::string>{"a", "b", "c", "d"}));
}

}  // namespace
}  // namespace varve
