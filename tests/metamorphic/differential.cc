#include "tests/metamorphic/differential.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <utility>

#include "tests/metamorphic/generator.h"
#include "tests/metamorphic/model_store.h"
#include "tests/metamorphic/rocksdb_store.h"
#include "tests/metamorphic/varve_store.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/temp_dir.h"

namespace varve::metamorphic {
namespace {

Disk DiskOf(uint64_t seed) { return seed % 4 == 0 ? Disk::kReal : Disk::kSimulated; }

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
std::string Report(uint64_t seed, std::vector<Operation> operations, Difference difference,
                   const DifferentialOptions& options, const std::string& replay) {
  constexpr size_t kLinesMax = 60;
  std::string text = difference.text + "replay: " + replay + "\n";
  operations.resize(std::min(difference.index + 1, operations.size()));
  Clock* const clock = Env::Default().clock.get();
  const uint64_t deadline = clock->MonotonicNanos() + options.shrink_seconds * 1'000'000'000;
  std::optional<Difference> last;
  operations = Shrink(
      std::move(operations),
      [&](const std::vector<Operation>& shorter) {
        auto found = RunOn(DiskOf(seed), shorter, options);
        if (found) last = found;
        return found.has_value();
      },
      [&] { return clock->MonotonicNanos() >= deadline; });
  const std::string path = FailurePath(seed);
  std::ofstream(path) << ToText(operations);
  text += "shrunk to " + std::to_string(operations.size()) + " operations, in " + path;
  if (last) text += ", where\n" + last->text;
  if (operations.size() <= kLinesMax) text += "\n" + ToText(operations);
  return text;
}

}  // namespace

std::optional<Difference> RunOn(Disk disk, const std::vector<Operation>& operations,
                                const DifferentialOptions& options) {
  const TempDir dir;
  const std::shared_ptr<FileSystem> files =
      disk == Disk::kReal ? Env::Default().file_system
                          : std::shared_ptr<FileSystem>(SimFileSystem::New({.track = false}));
  ModelStore model;
  std::vector<Store*> stores = {&model};
  std::vector<std::unique_ptr<VarveStore>> databases;
  for (int set = 0; set < options.option_sets; ++set) {
    const std::string name = set == 0 ? "db" : "db" + std::to_string(set + 1);
    databases.push_back(std::make_unique<VarveStore>(
        files, disk == Disk::kReal ? dir.File(name) : "/" + name, static_cast<uint64_t>(set)));
    stores.push_back(databases.back().get());
  }
  RocksDbStore rocksdb;
  if (options.rocksdb) stores.push_back(&rocksdb);
  return FindDifference(operations, stores);
}

std::string RunSeed(uint64_t seed, const DifferentialOptions& options, const std::string& replay) {
  const Disk disk = DiskOf(seed);
  const uint64_t count = disk == Disk::kReal ? options.operations / 4 : options.operations;
  std::vector<Operation> operations = Without(options.without, Generator(seed).Generate(count));
  std::optional<Difference> difference = RunOn(disk, operations, options);
  return difference ? Report(seed, std::move(operations), *difference, options, replay) : "";
}

}  // namespace varve::metamorphic
