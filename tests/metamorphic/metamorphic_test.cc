// Random operations under random options, on Varve, on an ordered map of versions and on RocksDB;
// every answer is compared. README.md has the design and how to read and replay a failure.
//
//   metamorphic_test                         the seeds of the test suite
//   metamorphic_test --seed=17               one seed, with what the test would do
//   metamorphic_test --seconds=600 --seed=1000   seed after seed for ten minutes
//   metamorphic_test --replay=FILE           the operations in a file, one a line

#include <gflags/gflags.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/metamorphic/differential.h"
#include "tests/metamorphic/operation.h"
#include "varve/env.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VARVE_TEST_IS_SLOW
#endif
#endif

namespace {
#ifdef VARVE_TEST_IS_SLOW
constexpr uint64_t kOperations = 4000;
#else
constexpr uint64_t kOperations = 10000;
#endif
}  // namespace

DEFINE_uint64(seed, 0, "Run this seed alone; with --seconds, begin with it.");
DEFINE_uint64(seconds, 0, "Run seed after seed for so long.");
DEFINE_uint64(operations, kOperations, "Operations a seed; a quarter on the real file system.");
DEFINE_string(without, "", "Leave operations of these kinds out: merge,flush");
DEFINE_string(replay, "", "Run the operations of this file on both file systems.");
DEFINE_int32(option_sets, 1, "So many databases, each under options of its own.");
DEFINE_bool(rocksdb, true, "Compare with RocksDB as well as with the model.");
DEFINE_uint64(shrink_seconds, 60, "How long a list that fails is made shorter; 0: not at all.");

namespace varve::metamorphic {
namespace {

DifferentialOptions OptionsOfFlags() {
  return {.operations = FLAGS_operations,
          .without = FLAGS_without,
          .rocksdb = FLAGS_rocksdb,
          .option_sets = std::max(FLAGS_option_sets, 1),
          .shrink_seconds = FLAGS_shrink_seconds};
}

// Empty if all went well.
std::string RunSeed(uint64_t seed) {
  const DifferentialOptions options = OptionsOfFlags();
  std::string replay = "bazel run --config=opt //tests/metamorphic:metamorphic_test -- --seed=" +
                       std::to_string(seed) + " --operations=" + std::to_string(options.operations);
  if (!options.without.empty()) replay += " --without=" + options.without;
  if (options.option_sets > 1) replay += " --option_sets=" + std::to_string(options.option_sets);
  return RunSeed(seed, options, replay);
}

class Metamorphic : public ::testing::TestWithParam<uint64_t> {};

// Checklist C5, S5, S7, S14.
TEST_P(Metamorphic, AgreesWithAMapAndWithRocksDb) { EXPECT_EQ(RunSeed(GetParam()), ""); }

INSTANTIATE_TEST_SUITE_P(Seed, Metamorphic, ::testing::Range<uint64_t>(1, 17));

int Replay(const std::string& path) {
  std::ifstream in(path);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::vector<Operation> operations;
  const Status status = ParseOperations(text, &operations);
  if (!in || !status.ok() || operations.empty()) {
    std::cerr << path << ": " << (status.ok() ? "no operations" : status.ToString()) << "\n";
    return 2;
  }
  for (const Disk disk : {Disk::kSimulated, Disk::kReal}) {
    if (const auto difference = RunOn(disk, operations, OptionsOfFlags())) {
      std::cerr << difference->text;
      return 1;
    }
  }
  std::cerr << operations.size() << " operations, no difference\n";
  return 0;
}

int RunSeeds() {
  Clock* const clock = Env::Default().clock.get();
  const uint64_t deadline = clock->MonotonicNanos() + FLAGS_seconds * 1'000'000'000;
  uint64_t seed = std::max<uint64_t>(1, FLAGS_seed), done = 0;
  do {
    const std::string failure = RunSeed(seed);
    if (!failure.empty()) {
      std::cerr << "seed " << seed << ": " << failure;
      return 1;
    }
    ++seed, ++done;
  } while (clock->MonotonicNanos() < deadline);
  std::cerr << done << " seeds of " << FLAGS_operations << " operations, no difference\n";
  return 0;
}

}  // namespace
}  // namespace varve::metamorphic

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  if (!FLAGS_replay.empty()) return varve::metamorphic::Replay(FLAGS_replay);
  if (FLAGS_seed != 0 || FLAGS_seconds != 0) return varve::metamorphic::RunSeeds();
  return RUN_ALL_TESTS();
}
