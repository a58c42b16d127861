// A whole database of format version 1, which every later build must read: tests/golden/db-v1/,
// with what it holds in tests/golden/db-v1.txt. tests/golden/README.md says how both are written.
// Checklist I7.

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>

#include "table/segment_dump.h"
#include "tests/support/fixed_wall_clock.h"
#include "tests/tools/ldb_test_util.h"
#include "util/crc32c.h"
#include "util/random.h"

namespace varve::ldb {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr char kGoldenDatabase[] = "tests/golden/db-v1";
constexpr char kGoldenText[] = "tests/golden/db-v1.txt";
// Names the directory of the golden files, to write them anew.
constexpr char kWriteVariable[] = "VARVE_WRITE_GOLDEN";

// Every key that was ever written; nothing in place of a value that was deleted.
using Model = std::map<std::string, std::optional<std::string>>;

// A line for each key, in order: the key, and the value's size, checksum and first bytes.
std::string ToText(const Model& contents) {
  std::string text;
  for (const auto& [key, value] : contents) {
    text += "\"" + PrintableBytes(key, 40) + "\"";
    if (!value) {
      text += " deleted\n";
      continue;
    }
    char size_and_crc[64];
    std::snprintf(size_and_crc, sizeof(size_and_crc), " = %zu bytes, crc32c %08x, \"",
                  value->size(), Crc32c(*value));
    text += size_and_crc + PrintableBytes(*value, 40) + "\"\n";
  }
  return text;
}

// What a database holds, by every way to read it. The keys of `known` that it does not hold count
// as deleted.
Model Read(DB* db, const Model& known) {
  Model contents;
  const auto it = db->NewIterator({});
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    contents[std::string(it->key())] = std::string(it->value());
  }
  EXPECT_TRUE(it->status().ok()) << it->status().ToString();
  size_t backwards = 0;
  for (it->SeekToLast(); it->Valid(); it->Prev()) {
    EXPECT_EQ(contents[std::string(it->key())], it->value());
    ++backwards;
  }
  EXPECT_EQ(backwards, contents.size());
  for (const auto& [key, expected] : known) {
    std::string value;
    const Status status = db->Get({}, key, &value);
    EXPECT_TRUE(status.ok() || status.IsNotFound()) << status.ToString();
    if (status.ok()) {
      EXPECT_EQ(contents[key], value);
    } else {
      EXPECT_TRUE(contents.emplace(key, std::nullopt).second) << PrintableBytes(key, 40);
    }
  }
  return contents;
}

// A machine of which nothing finds its way into the files.
class FixedMachine final : public Machine {
 public:
  std::string BootId() override { return "golden"; }
  uint64_t MemoryLimitBytes() override { return uint64_t{1} << 30; }
  uint64_t RandomSeed() override { return ++seeds_; }

 private:
  std::atomic<uint64_t> seeds_{0};
};

// Writes the golden database: a life for each compression, each with what the next one finds in
// the log, and a last one that leaves all it wrote there.
class Generator {
 public:
  explicit Generator(std::string path) : path_(std::move(path)) {
    options_.create_if_missing = true;
    options_.env.machine = std::make_shared<FixedMachine>();
    options_.env.clock = std::make_shared<FixedWallClock>();
    options_.memtable_bytes = 64 << 10;
    options_.block_bytes = 1 << 10;
    options_.wal_recovery = WalRecoveryMode::kAbsolute;  // keeps no logs for reuse
  }

  // Every key written, with its value.
  const Model& contents() const { return contents_; }

  void Run() {
    const Compression all[] = {Compression::kNone, Compression::kSnappy, Compression::kLz4,
                               Compression::kZstd};
    for (int life = 0; life < 4; ++life) {
      options_.compression = all[life];
      options_.filter_bits_per_key = life == 3 ? 0 : 4 + 4 * life;
      Live([this, life](DB* db) { FlushedLife(db, life); });
    }
    Live([this](DB* db) { LoggedLife(db); });
  }

 private:
  void Live(const std::function<void(DB*)>& life) {
    std::unique_ptr<DB> db;
    const Status status = DB::Open(options_, path_, &db);
    ASSERT_TRUE(status.ok()) << status.ToString();
    life(db.get());
    EXPECT_EQ(Read(db.get(), contents_), contents_);
    ASSERT_TRUE(db->Close().ok());
  }

  void FlushedLife(DB* db, int life) {
    // Each life overwrites some keys of the one before, and deletes others.
    for (int i = 0; i < 80; ++i) {
      const int key = 40 * life + i;
      Put(db, Key(key),
          "life " + std::to_string(life) + ", value " + std::to_string(key) + " " +
              std::string(static_cast<size_t>(key), '.'));
    }
    for (int i = 5; i < 40; i += 5) Delete(db, Key(40 * life + i));
    Put(db, "incompressible " + std::to_string(life), RandomBytes(600));
    if (life == 0) {
      Put(db, "", "the empty key");
      Put(db, "large", RandomBytes(20'000));
      Put(db, "empty", "");
      Delete(db, "never there");
    }
    // Longer than what the manifest keeps inline of a segment's last key.
    if (life == 1) Put(db, "long " + std::string(3000, '~'), "a long key");
    if (life == 2) Put(db, std::string("\0\xff\x80 binary", 10), std::string("\0\1\2", 3));
    ASSERT_TRUE(db->Flush().ok());
    Put(db, "logged in life " + std::to_string(life), "and made a segment by the next");
    Delete(db, "incompressible " + std::to_string(life - 1));
  }

  void LoggedLife(DB* db) {
    Put(db, Key(0), "newer, in the log");
    Put(db, "in the log", "alone");
    Delete(db, "empty");
    WriteBatch batch;
    for (int i = 0; i < 3; ++i) {
      const std::string key = "batch " + std::to_string(i);
      ASSERT_TRUE(batch.Put(key, "one record").ok());
      contents_[key] = "one record";
    }
    ASSERT_TRUE(batch.Delete("batch 1").ok());
    contents_["batch 1"] = std::nullopt;
    ASSERT_TRUE(db->Write({}, batch).ok());
  }

  void Put(DB* db, const std::string& key, const std::string& value) {
    ASSERT_TRUE(db->Put({}, key, value).ok());
    contents_[key] = value;
  }
  void Delete(DB* db, const std::string& key) {
    ASSERT_TRUE(db->Delete({}, key).ok());
    contents_[key] = std::nullopt;
  }
  static std::string Key(int i) {
    char key[16];
    std::snprintf(key, sizeof(key), "key%05d", i);
    return key;
  }
  std::string RandomBytes(size_t size) {
    std::string bytes;
    while (bytes.size() < size) bytes.push_back(static_cast<char>(random_.Next()));
    return bytes;
  }

  const std::string path_;
  Options options_;
  Random random_{301};
  Model contents_;
};

class GoldenDatabaseTest : public LdbTest {
 protected:
  // A copy, as to open it is to change it.
  void CopyGolden() { std::filesystem::copy(kGoldenDatabase, path()); }

  // The keys that the generator writes, as their text does not hold long ones whole.
  static const Model& Generated() {
    static const Model* const contents = [] {
      TempDir dir;
      Generator generator(dir.File("db"));
      generator.Run();
      return new Model(generator.contents());
    }();
    return *contents;
  }
};

// Not what the files are for, but what keeps them and their text in step.
TEST_F(GoldenDatabaseTest, TheGeneratorWritesTheSameContents) {
  if (const char* golden = std::getenv(kWriteVariable); golden != nullptr) {
    Generator generator(path());
    generator.Run();
    const std::string to = std::string(golden) + "/db-v1";
    std::filesystem::remove_all(to);
    std::filesystem::create_directories(to);
    for (const auto& [name, bytes] : Contents()) {
      if (name != "LOCK") WriteFile(to + "/" + name, bytes);
    }
    WriteFile(to + ".txt", ToText(generator.contents()));
    GTEST_SKIP() << "written: " << to;
  }
  EXPECT_EQ(ToText(Generated()), ReadFile(kGoldenText));
}

TEST_F(GoldenDatabaseTest, IsConsistent) {
  CopyGolden();
  const Outcome outcome = Run({"checkconsistency"});
  EXPECT_EQ(outcome.exit, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("8 segments"), EndsWith("\nOK\n")));
}

// Else it would prove less than it seems to.
TEST_F(GoldenDatabaseTest, HoldsWhatTheFormatsHave) {
  CopyGolden();
  std::string segments;
  for (const std::string& file : Files(FileType::kSegment)) {
    segments += RunLine({"segment_dump", "--entries", file}).out;
  }
  for (const char* compression : {"none", "snappy", "lz4", "zstd"}) {
    EXPECT_THAT(segments, HasSubstr("  compression: " + std::string(compression) + "\n"));
    EXPECT_THAT(segments, HasSubstr(" bytes, " + std::string(compression) + ", expanded "));
  }
  EXPECT_THAT(segments, AllOf(HasSubstr(" delete = "), HasSubstr("  filter bits a key: 0\n"),
                              HasSubstr("  filter bits a key: 12\n"), HasSubstr("  \"\" @ "),
                              HasSubstr("creator: flush\n"), HasSubstr("creator: recovery\n")));
  EXPECT_THAT(Run({"wal_dump"}).out,
              AllOf(HasSubstr("put \"in the log\" = \"alone\""), HasSubstr(", 4 entries from")));
  EXPECT_THAT(Run({"manifest_dump"}).out, HasSubstr("spilled to"));
}

TEST_F(GoldenDatabaseTest, OpensAndReads) {
  CopyGolden();
  auto db = Open();
  ASSERT_NE(db, nullptr);
  EXPECT_EQ(ToText(Read(db.get(), Generated())), ReadFile(kGoldenText));
}

TEST_F(GoldenDatabaseTest, IsWrittenOn) {
  CopyGolden();
  Model expected = Generated();
  auto db = Open();
  for (const char* key : {"key00100", "in the log", "new"}) {
    ASSERT_TRUE(db->Put({}, key, "by this build").ok());
    expected[key] = "by this build";
  }
  ASSERT_TRUE(db->Flush().ok());
  ASSERT_TRUE(db->Delete({}, "").ok());
  expected[""] = std::nullopt;
  db.reset();
  db = Open();
  EXPECT_EQ(Read(db.get(), expected), expected);
  db.reset();
  EXPECT_EQ(Run({"checkconsistency"}).exit, kExitOk);
}

}  // namespace
}  // namespace varve::ldb
