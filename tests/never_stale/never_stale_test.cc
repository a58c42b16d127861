// The engine beside an oracle that knows every version ever acknowledged: random operations, with
// times to live, a clock that jumps, snapshots and iterators held, reopens, kills and power losses.
// README.md says what is judged, and how to read and replay a failure.
//
//   never_stale_test                                   the seeds of the test suite
//   never_stale_test --seed=17                         one seed
//   never_stale_test --seed=1000 --total=100000000     seed after seed, so many operations in all
//
// Invariants I2, I3 and I9; Checklist E10, S4, S8, C5, W11.

#include <gflags/gflags.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "tests/never_stale/history.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VARVE_TEST_IS_SLOW
#endif
#endif

namespace {
#ifdef VARVE_TEST_IS_SLOW
constexpr uint64_t kOperations = 1'000;
#else
constexpr uint64_t kOperations = 10'000;
#endif
}  // namespace

DEFINE_uint64(seed, 0, "Run this seed alone; with --total, begin with it.");
DEFINE_uint64(operations, kOperations, "Operations a seed.");
DEFINE_uint64(total, 0, "Run seed after seed until there were so many operations.");

namespace varve::never_stale {
namespace {

constexpr uint64_t kSeeds = 100;

std::string Report(uint64_t seed, const HistoryResult& result) {
  if (result.finding.empty()) return "";
  return result.finding +
         "replay: bazel run --config=opt //tests/never_stale:never_stale_test -- " +
         "--seed=" + std::to_string(seed) + " --operations=" + std::to_string(FLAGS_operations) +
         "\n";
}

class NeverStale : public ::testing::TestWithParam<uint64_t> {};

TEST_P(NeverStale, EveryAnswerIsTheNewestVersionOrAMissWithAReason) {
  EXPECT_EQ(Report(GetParam(), RunHistory(GetParam(), FLAGS_operations)), "");
}

INSTANTIATE_TEST_SUITE_P(Seed, NeverStale, ::testing::Range<uint64_t>(1, kSeeds + 1));

int RunSeeds() {
  uint64_t seed = FLAGS_seed, operations = 0, hits = 0, flushes = 0, compactions = 0;
  do {
    const HistoryResult result = RunHistory(seed, FLAGS_operations);
    operations += result.operations;
    hits += result.hits;
    flushes += result.flushes;
    compactions += result.compactions;
    if (!result.finding.empty()) {
      std::printf("seed %llu, after %llu operations: %s", static_cast<unsigned long long>(seed),
                  static_cast<unsigned long long>(operations), Report(seed, result).c_str());
      return 1;
    }
    ++seed;
  } while (operations < FLAGS_total);
  std::printf("%llu operations, %llu hits, %llu flushes, %llu compactions: nothing stale\n",
              static_cast<unsigned long long>(operations), static_cast<unsigned long long>(hits),
              static_cast<unsigned long long>(flushes),
              static_cast<unsigned long long>(compactions));
  return 0;
}

}  // namespace
}  // namespace varve::never_stale

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  if (FLAGS_seed != 0) return varve::never_stale::RunSeeds();
  return RUN_ALL_TESTS();
}
