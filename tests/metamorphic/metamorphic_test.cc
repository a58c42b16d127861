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
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "tests/metamorphic/generator.h"
#include "tests/metamorphic/model_store.h"
#include "tests/metamorphic/rocksdb_store.h"
#include "tests/metamorphic/runner.h"
#include "tests/metamorphic/varve_store.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/temp_dir.h"

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
DEFINE_bool(rocksdb, true, "Compare with RocksDB as well as with the model.");
DEFINE_uint64(shrink_seconds, 60, "How long a list that fails is made shorter; 0: not at all.");

namespace varve::metamorphic {
namespace {

enum class Disk { kSimulated, kReal };

std::optional<Difference> RunOn(Disk disk, const std::vector<Operation>& operations) {
  TempDir dir;
  VarveStore varve(
      disk == Disk::kReal ? Env::Default().file_system : SimFileSystem::New({.track = false}),
      disk == Disk::kReal ? dir.File("db") : "/db");
  ModelStore model;
  std::vector<Store*> stores = {&model, &varve};
  RocksDbStore rocksdb;
  if (FLAGS_rocksdb) stores.push_back(&rocksdb);
  return FindDifference(operations, stores);
}

// One seed in four runs on the real file system, where syncs take their time.
Disk DiskOf(uint64_t seed) { return seed % 4 == 0 ? Disk::kReal : Disk::kSimulated; }
uint64_t OperationsOf(uint64_t seed) {
  return DiskOf(seed) == Disk::kReal ? FLAGS_operations / 4 : FLAGS_operations;
}

// Where the operations of a failure are kept.
std::string FailurePath(uint64_t seed) {
  const char* directory = nullptr;
  for (const char* name : {"TEST_UNDECLARED_OUTPUTS_DIR", "TEST_TMPDIR", "TMPDIR"}) {
    if (directory == nullptr) directory = std::getenv(name);
  }
  return (directory == nullptr ? std::string("/tmp") : directory) + "/metamorphic-" +
         std::to_string(seed) + ".txt";
}

// Makes the list short that failed under `seed`, and says all there is to say.
std::string Report(uint64_t seed, std::vector<Operation> operations, Difference difference) {
  constexpr size_t kLinesMax = 60;
  std::string text = difference.text + "replay: bazel run --config=opt " +
                     "//tests/metamorphic:metamorphic_test -- --seed=" + std::to_string(seed) +
                     " --operations=" + std::to_string(FLAGS_operations) +
                     (FLAGS_without.empty() ? "" : " --without=" + FLAGS_without) + "\n";
  operations.resize(std::min(difference.index + 1, operations.size()));
  Clock* const clock = Env::Default().clock.get();
  const uint64_t deadline = clock->MonotonicNanos() + FLAGS_shrink_seconds * 1'000'000'000;
  std::optional<Difference> last;
  operations = Shrink(
      std::move(operations),
      [&](const std::vector<Operation>& shorter) {
        auto found = RunOn(DiskOf(seed), shorter);
        if (found) last = found;
        return found.has_value();
      },
      [&] { return clock->MonotonicNanos() >= deadline; });
  const std::string path = FailurePath(seed);
  std::ofstream(path) << ToText(operations);
  text += "shrunk to " + std::to_string(operations.size()) + " operations, in " + path +
          " (--replay=" + path + ")";
  if (last) text += ", where\n" + last->text;
  if (operations.size() <= kLinesMax) text += "\n" + ToText(operations);
  return text;
}

// Empty if all went well.
std::string RunSeed(uint64_t seed) {
  std::vector<Operation> operations =
      Without(FLAGS_without, Generator(seed).Generate(OperationsOf(seed)));
  std::optional<Difference> difference = RunOn(DiskOf(seed), operations);
  return difference ? Report(seed, std::move(operations), *difference) : "";
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
    if (const auto difference = RunOn(disk, operations)) {
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
