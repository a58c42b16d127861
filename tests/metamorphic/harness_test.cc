// The harness itself: what it prints it can read, and a store that errs is found and the list that
// shows it made short.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/metamorphic/generator.h"
#include "tests/metamorphic/live_files.h"
#include "tests/metamorphic/model_store.h"
#include "tests/metamorphic/runner.h"
#include "tests/metamorphic/varve_store.h"
#include "tests/support/sim_file_system.h"

namespace varve::metamorphic {
namespace {

TEST(Operation, IsReadBackAsItWasPrinted) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<Operation> drawn = Generator(seed).Generate(500);
    std::vector<Operation> parsed;
    const Status status = ParseOperations(ToText(drawn), &parsed);
    ASSERT_TRUE(status.ok()) << status.ToString();
    ASSERT_EQ(parsed, drawn) << "seed " << seed;
  }
}

TEST(Operation, ReadsEveryFieldAndSkipsComments) {
  std::vector<Operation> parsed;
  ASSERT_TRUE(ParseOperations("# of seed 7\n"
                              "open options=compression:3,memtable_bytes:65536\n\n"
                              "batch { put key=\"a\\x00\" value=3:10 ; rollback } sync",
                              &parsed)
                  .ok());
  ASSERT_EQ(parsed.size(), 2u);
  EXPECT_EQ(parsed[0].options, (OptionMap{{"compression", "3"}, {"memtable_bytes", "65536"}}));
  ASSERT_EQ(parsed[1].parts.size(), 2u);
  EXPECT_EQ(parsed[1].parts[0].key(), std::string("a\0", 2));
  EXPECT_EQ(parsed[1].parts[0].value, (Value{3, 10}));
  EXPECT_EQ(parsed[1].parts[1].kind, Kind::kRollback);
  EXPECT_TRUE(parsed[1].sync);
}

TEST(Operation, RefusesWhatIsNone) {
  for (const char* line : {"jump", "get key=\"a", "get key=\"\\x4\"", "batch { put", "put value=3",
                           "next count=x", "get colour=\"red\"", "flush ; flush"}) {
    Operation operation;
    EXPECT_TRUE(ParseOperation(line, &operation).IsInvalidArgument()) << line;
  }
}

TEST(Generator, DrawsTheSameForASeedAndOtherOperationsForAnother) {
  EXPECT_EQ(Generator(5).Generate(300), Generator(5).Generate(300));
  EXPECT_NE(Generator(5).Generate(300), Generator(6).Generate(300));
}

// A reader of a snapshot sees what was written later.
class IgnoresSnapshots : public ModelStore {
 public:
  const char* name() const override { return "faulty"; }

 protected:
  const std::string* Visible(const Versions& versions, uint64_t) const override {
    return ModelStore::Visible(versions, UINT64_MAX);
  }
};

// Under a tombstone the value before it shows.
class ForgetsTombstones : public ModelStore {
 public:
  const char* name() const override { return "faulty"; }

 protected:
  const std::string* Visible(const Versions& versions, uint64_t moment) const override {
    const std::string* seen = nullptr;
    for (const Version& version : versions) {
      if (version.moment <= moment && version.value) seen = &*version.value;
    }
    return seen;
  }
};

template <typename Faulty>
std::vector<Operation> FindAndShrink(uint64_t seed) {
  const auto fails = [](const std::vector<Operation>& operations) {
    ModelStore model;
    Faulty faulty;
    Store* const stores[] = {&model, &faulty};
    return FindDifference(operations, stores).has_value();
  };
  std::vector<Operation> operations = Generator(seed).Generate(2000);
  EXPECT_TRUE(fails(operations)) << "seed " << seed;
  return Shrink(std::move(operations), fails, [] { return false; });
}

TEST(Runner, FindsAStoreThatIgnoresSnapshots) {
  // It takes an open, a write, a snapshot or cursor, a write, and a read of the key.
  EXPECT_LE(FindAndShrink<IgnoresSnapshots>(3).size(), 8u);
}

TEST(Runner, FindsAStoreThatForgetsTombstones) {
  // It takes an open, a put, a delete, and a read of the key.
  EXPECT_LE(FindAndShrink<ForgetsTombstones>(4).size(), 8u);
}

TEST(Runner, SkipsWhatNamesNothing) {
  std::vector<Operation> operations;
  ASSERT_TRUE(ParseOperations("open\nnext slot=1\nrelease slot=2\nget key=\"a\" snapshot=3\n"
                              "snapshot slot=2\ncursor slot=1 snapshot=2\nrelease slot=2\n"
                              "prev slot=1\nsnapshot slot=2\nsnapshot slot=2\nopen\nnext slot=1",
                              &operations)
                  .ok());
  ModelStore model;
  VarveStore varve(SimFileSystem::New({.track = false}), "/db");
  Store* const stores[] = {&model, &varve};
  const auto difference = FindDifference(operations, stores);
  EXPECT_FALSE(difference.has_value()) << difference->text;
}

TEST(LiveFiles, NamesWhatIsTooMuchOrMissing) {
  const auto file_system = SimFileSystem::New({.track = false});
  std::vector<Operation> operations;
  ASSERT_TRUE(ParseOperations("open\nput key=\"a\" value=1:10\nflush", &operations).ok());
  VarveStore varve(file_system, "/db");
  Store* const stores[] = {&varve};
  ASSERT_FALSE(FindDifference(operations, stores).has_value());
  ASSERT_EQ(CheckLiveFiles(file_system.get(), "/db"), "OK");

  std::vector<std::string> names;
  ASSERT_TRUE(file_system->ListDirectory("/db", &names).ok());
  std::string segment;
  for (const std::string& name : names) {
    if (name.ends_with(".seg")) segment = name;
  }
  ASSERT_NE(segment, "");
  ASSERT_TRUE(file_system->LinkFile("/db/" + segment, "/db/999999.seg").ok());
  EXPECT_EQ(CheckLiveFiles(file_system.get(), "/db"), "a file that is not live: 999999.seg");
  ASSERT_TRUE(file_system->RemoveFile("/db/" + segment).ok());
  ASSERT_TRUE(file_system->RemoveFile("/db/999999.seg").ok());
  EXPECT_EQ(CheckLiveFiles(file_system.get(), "/db"), "a file is missing: /db/" + segment);
}

}  // namespace
}  // namespace varve::metamorphic
