// Input that is not what it should be: files of a newer version, damaged files, a wrong comparator,
// a full disk, no permission, keys and values over the limits. Each is a clear error that names the
// thing, nothing is lost by it, and no read ever answers wrongly. (What an open refuses besides:
// db_open_test.cc. Unknown flags: tests/tools/.) Checklist I5, I7, N7.

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "db/manifest_format.h"
#include "table/segment_format.h"
#include "tests/support/comparators.h"
#include "tests/support/temp_dir.h"
#include "util/coding.h"
#include "util/crc32c.h"
#include "util/filename.h"
#include "util/hash.h"
#include "util/random.h"
#include "util/thread.h"
#include "varve/db.h"
#include "wal/log_format.h"

namespace varve {
namespace {

class BadInputTest : public ::testing::Test {
 protected:
  BadInputTest() {
    options_.create_if_missing = true;
    options_.memtable_bytes = 64 << 10;
    options_.compression = Compression::kNone;
    options_.block_bytes = 1 << 10;
    options_.block_cache_bytes = 0;
    options_.compaction_style = CompactionStyle::kNone;  // the segments stay as they were made
  }

  Status Open() { return DB::Open(options_, path(), &db_); }
  void Put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(db_->Put({}, key, value).ok());
    expected_[key] = value;
  }
  static std::string Key(int i) {
    char key[16];
    std::snprintf(key, sizeof(key), "key%04d", i);
    return key;
  }
  // Two segments whose keys alternate, and a log with others between them; closed.
  void Make() {
    ASSERT_TRUE(Open().ok());
    for (int kind = 0; kind < 3; ++kind) {
      for (int i = kind; i < 300; i += 3) Put(Key(i), "value of " + Key(i) + std::string(80, '.'));
      if (kind < 2) {
        ASSERT_TRUE(db_->Flush().ok());
      }
    }
    ASSERT_TRUE(db_->Close().ok());
    db_.reset();
  }
  void ExpectWhole() {
    const Status status = Open();
    ASSERT_TRUE(status.ok()) << status.ToString();
    for (const auto& [key, value] : expected_) {
      std::string found;
      const Status got = db_->Get({}, key, &found);
      ASSERT_TRUE(got.ok()) << got.ToString();
      EXPECT_EQ(found, value);
    }
    db_.reset();
  }
  void ExpectError(const Status& status, Status::Code code, const std::string& part) {
    EXPECT_EQ(status.code(), code) << status.ToString();
    EXPECT_NE(status.message().find(part), std::string::npos) << status.ToString();
  }
  void ExpectOpenRefused(Status::Code code, const std::string& part) {
    const auto before = Contents();
    ExpectError(Open(), code, part);
    EXPECT_EQ(db_, nullptr);
    EXPECT_TRUE(Contents() == before) << "the refused open changed something";
  }

  std::string path() const { return dir_.File("db"); }
  std::string FileOf(FileType wanted, size_t index = 0) const {
    std::map<FileNumber, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      FileNumber number;
      FileType type;
      if (ParseFileName(entry.path().filename().string(), &number, &type) && type == wanted) {
        files[number] = entry.path().string();
      }
    }
    EXPECT_GT(files.size(), index);
    auto it = files.begin();
    std::advance(it, index);
    return it->second;
  }
  // The log that an open replays. Beside it there may be some that wait to be removed.
  std::string LogInUse() const {
    for (const auto& [name, bytes] : Contents()) {
      FileNumber number;
      FileType type;
      if (ParseFileName(name, &number, &type) && type == FileType::kLog &&
          bytes.find("value of " + Key(2)) != std::string::npos) {
        return path() + "/" + name;
      }
    }
    ADD_FAILURE() << "no log";
    return "";
  }
  std::map<std::string, std::string> Contents() const {
    std::map<std::string, std::string> contents;
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      const std::string name = entry.path().filename().string();
      if (name != "LOCK") contents[name] = Read(entry.path().string());
    }
    return contents;
  }
  static std::string Read(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void Write(const std::string& file, const std::string& bytes) {
    std::ofstream(file, std::ios::binary) << bytes;
  }
  static void Edit(const std::string& file, const std::function<void(std::string*)>& edit) {
    std::string bytes = Read(file);
    edit(&bytes);
    Write(file, bytes);
  }

  TempDir dir_;
  Options options_;
  std::unique_ptr<DB> db_;
  std::map<std::string, std::string> expected_;
};

// ---- A newer format: valid in every other respect, so only its version can be why ----

void Put32(std::string* bytes, size_t at, uint32_t value) { EncodeFixed32(&(*bytes)[at], value); }

TEST_F(BadInputTest, NewerManifest) {
  Make();
  const std::string file = path() + "/MANIFEST";
  const std::string good = Read(file);
  const auto set = [&](int root, size_t at, uint32_t value) {
    Edit(file, [&](std::string* bytes) {
      const size_t page = root * manifest::kPageBytes;
      Put32(bytes, page + at, value);
      const Slice rest = Slice(*bytes).substr(page + manifest::kPageNumberAt,
                                              manifest::kPageBytes - manifest::kPageNumberAt);
      EncodeFixed64(&(*bytes)[page + manifest::kChecksumAt], Hash64(rest));
    });
  };
  for (const auto& [at, value] : {std::pair{manifest::kVersionAt, manifest::kFormatVersion + 1},
                                  std::pair{manifest::kIncompatibleAt, uint32_t{1} << 31},
                                  std::pair{manifest::kReadOnlyCompatibleAt, uint32_t{1} << 31}}) {
    set(0, at, value);
    set(1, at, value);
    ExpectOpenRefused(Status::Code::kNotSupported, file);
    Write(file, good);
  }
  set(0, manifest::kCompatibleAt, uint32_t{1} << 31);  // what may be ignored is
  set(1, manifest::kCompatibleAt, uint32_t{1} << 31);
  ExpectWhole();
}

TEST_F(BadInputTest, NewerLog) {
  Make();
  const std::string file = LogInUse();
  const std::string good = Read(file);
  const auto set = [&](size_t at, uint32_t value) {
    Edit(file, [&](std::string* bytes) {
      for (int copy = 0; copy < wal::kHeaderCopies; ++copy) {
        const size_t page = copy * wal::kBlockBytes;
        Put32(bytes, page + at, value);
        const Slice rest = Slice(*bytes).substr(page + wal::kHeaderVersionOffset,
                                                wal::kHeaderBytes - wal::kHeaderVersionOffset);
        Put32(bytes, page + wal::kHeaderCrcOffset, Crc32c(rest));
      }
    });
  };
  for (const auto& [at, value] : {std::pair{wal::kHeaderVersionOffset, wal::kVersion + 1},
                                  std::pair{wal::kHeaderIncompatOffset, uint32_t{2}},
                                  std::pair{wal::kHeaderReadOnlyCompatOffset, uint32_t{2}}}) {
    set(at, value);
    const Status status = Open();
    ExpectError(status, Status::Code::kNotSupported, file);
    Write(file, good);
  }
  ExpectWhole();
}

TEST_F(BadInputTest, NewerSegment) {
  Make();
  const std::string file = FileOf(FileType::kSegment);
  const std::string good = Read(file);
  const size_t footer = good.size() - kFooterBytes;
  for (const auto& [at, value] : {std::pair{kFooterVersion, kSegmentFormatVersion + 1},
                                  std::pair{kFooterIncompat, uint32_t{1} << 31}}) {
    Edit(file, [&, at = at, value = value](std::string* bytes) {
      Put32(bytes, footer + at, value);
      Put32(bytes, footer + kFooterChecksum, Crc32c(Slice(*bytes).substr(footer, kFooterChecksum)));
    });
    ASSERT_TRUE(Open().ok());
    std::string value_found;
    ExpectError(db_->Get({}, Key(0), &value_found), Status::Code::kNotSupported, file);
    const std::string key = Key(0);
    const Slice keys[] = {key};
    PinnedValue values[1];
    Status statuses[1];
    db_->MultiGet({}, keys, values, statuses);
    ExpectError(statuses[0], Status::Code::kNotSupported, file);
    auto it = db_->NewIterator({});
    it->SeekToFirst();
    EXPECT_FALSE(it->Valid());
    ExpectError(it->status(), Status::Code::kNotSupported, file);
    it->SeekToLast();
    EXPECT_FALSE(it->Valid());
    ExpectError(it->status(), Status::Code::kNotSupported, file);
    it.reset();
    db_.reset();
    Write(file, good);
  }
  ExpectWhole();
}

// ---- A damaged block of a segment ----

class DamagedBlockTest : public BadInputTest {
 protected:
  // Damages the block of the first segment that holds Key(150), and opens.
  void SetUp() override {
    Make();
    segment_ = FileOf(FileType::kSegment);
    Edit(segment_, [](std::string* bytes) {
      const size_t at = bytes->find("value of " + Key(150));
      ASSERT_NE(at, std::string::npos);
      (*bytes)[at] ^= 4;
    });
    ASSERT_TRUE(Open().ok());
    // Which keys that takes away, by Get: those of one block, which the two sources between do not
    // have.
    for (const auto& [key, value] : expected_) {
      std::string found;
      const Status status = db_->Get({}, key, &found);
      if (status.ok()) {
        EXPECT_EQ(found, value) << key;
      } else {
        ExpectDamage(status);
        damaged_.push_back(key);
      }
    }
    ASSERT_GE(damaged_.size(), 3u);
    ASSERT_LE(damaged_.size(), 20u);
    for (size_t i = 1; i < damaged_.size(); ++i) {
      EXPECT_EQ(std::stoi(damaged_[i].substr(3)), std::stoi(damaged_[i - 1].substr(3)) + 3);
    }
    EXPECT_GT(damaged_.front(), Key(0));
    EXPECT_LT(damaged_.back(), Key(297));
  }
  void ExpectDamage(const Status& status) {
    ExpectError(status, Status::Code::kCorruption, segment_);
    EXPECT_NE(status.message().find("offset "), std::string::npos) << status.ToString();
  }
  bool Damaged(const std::string& key) const {
    return std::find(damaged_.begin(), damaged_.end(), key) != damaged_.end();
  }
  // The iterator stands on `key`.
  void ExpectAt(const Iterator& it, const std::string& key) {
    ASSERT_TRUE(it.Valid()) << it.status().ToString();
    EXPECT_EQ(it.key(), key);
    EXPECT_EQ(it.value(), expected_[key]);
    EXPECT_TRUE(it.status().ok());
  }

  std::string segment_;
  std::vector<std::string> damaged_;
};

TEST_F(DamagedBlockTest, MultiGetFailsItsKeysAlone) {
  std::vector<std::string> names;
  for (const auto& [key, value] : expected_) names.push_back(key);
  const std::vector<Slice> keys(names.begin(), names.end());
  std::vector<PinnedValue> values(keys.size());
  std::vector<Status> statuses(keys.size());
  db_->MultiGet({}, keys, values, statuses);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (Damaged(names[i])) {
      ExpectDamage(statuses[i]);
    } else {
      ASSERT_TRUE(statuses[i].ok()) << names[i] << ": " << statuses[i].ToString();
      EXPECT_EQ(Slice(values[i].data(), values[i].size()), expected_[names[i]]);
    }
  }
}

TEST_F(DamagedBlockTest, AScanStopsBeforeIt) {
  auto it = db_->NewIterator({});
  auto next = expected_.begin();
  for (it->SeekToFirst(); it->Valid(); it->Next(), ++next) ExpectAt(*it, next->first);
  ExpectDamage(it->status());
  ASSERT_NE(next, expected_.end());
  EXPECT_LE(next->first, damaged_.front());
  // What is before the block may be held back with it, by no more than a key of each other source.
  EXPECT_GE(next->first, Key(std::stoi(damaged_.front().substr(3)) - 3));

  auto previous = expected_.rbegin();
  for (it->SeekToLast(); it->Valid(); it->Prev(), ++previous) ExpectAt(*it, previous->first);
  ExpectDamage(it->status());
  ASSERT_NE(previous, expected_.rend());
  EXPECT_GE(previous->first, damaged_.back());
  EXPECT_LE(previous->first, Key(std::stoi(damaged_.back().substr(3)) + 3));
}

// Wherever a seek aims: it finds the key that is due, or says why it cannot; then it goes on as far
// as it can be right.
TEST_F(DamagedBlockTest, ASeekNeverSkipsIt) {
  auto it = db_->NewIterator({});
  size_t errors = 0;
  for (int i = 0; i < 300; ++i) {
    for (const bool forward : {true, false}) {
      SCOPED_TRACE(Key(i) + (forward ? " forward" : " backward"));
      forward ? it->Seek(Key(i)) : it->SeekForPrev(Key(i));
      for (int at = i; it->Valid(); at += forward ? 1 : -1) {
        ASSERT_NO_FATAL_FAILURE(ExpectAt(*it, Key(at)));
        EXPECT_FALSE(Damaged(Key(at)));
        forward ? it->Next() : it->Prev();
      }
      if (it->status().ok()) {
        EXPECT_EQ(forward, Key(i) > damaged_.back());
      } else {
        ExpectDamage(it->status());
        ++errors;
      }
    }
  }
  EXPECT_GE(errors, damaged_.size() * 2);
}

TEST_F(DamagedBlockTest, BoundsThatLeaveItOutAreServed) {
  ReadOptions bounded;
  const std::string upper = Key(60), lower = Key(240);
  bounded.upper_bound = upper;
  auto it = db_->NewIterator(bounded);
  int keys = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) ++keys;
  EXPECT_TRUE(it->status().ok()) << it->status().ToString();
  EXPECT_EQ(keys, 60);
  bounded.upper_bound.reset();
  bounded.lower_bound = lower;
  it = db_->NewIterator(bounded);
  for (it->SeekToLast(); it->Valid(); it->Prev()) ++keys;
  EXPECT_TRUE(it->status().ok()) << it->status().ToString();
  EXPECT_EQ(keys, 120);
}

// ---- Any damage to any file ----

// Injures one file at random, again and again: whatever is read is right, or an error.
TEST_F(BadInputTest, NoDamageMakesAReadLie) {
  Make();
  const auto good = Contents();
  std::vector<std::string> names;
  for (const auto& [name, bytes] : good) names.push_back(name);
  const uint64_t seed = 20240607;
  Random random(seed);
  int refused = 0, partial = 0, whole = 0;
  for (int round = 0; round < 120; ++round) {
    const std::string& name = names[random.Uniform(names.size())];
    std::string bytes = good.at(name);
    const size_t at = random.Uniform(bytes.size());
    const uint64_t injury = random.Uniform(7);
    switch (injury) {
      case 0:  // one bit
        bytes[at] ^= static_cast<char>(1 << random.Uniform(8));
        break;
      case 1:  // a sector that was never written
        bytes.replace(at / 512 * 512, std::min<size_t>(512, bytes.size() - at / 512 * 512), 512,
                      '\0');
        bytes.resize(good.at(name).size());
        break;
      case 2:  // cut off
        bytes.resize(at);
        break;
      case 3:  // grown
        bytes += bytes.substr(0, at);
        break;
      case 4:  // a stretch of noise
        for (size_t i = at; i < std::min(at + 40, bytes.size()); ++i) {
          bytes[i] = static_cast<char>(random.Next());
        }
        break;
      case 5:  // the content of another file
        bytes = good.at(names[random.Uniform(names.size())]);
        break;
      case 6:  // gone
        break;
    }
    SCOPED_TRACE("seed " + std::to_string(seed) + ", round " + std::to_string(round) + ": injury " +
                 std::to_string(injury) + " to " + name + " at " + std::to_string(at));
    std::filesystem::remove_all(path());
    std::filesystem::create_directory(path());
    for (const auto& [other, content] : good) Write(path() + "/" + other, content);
    Write(path() + "/" + name, bytes);
    if (injury == 6) std::filesystem::remove(path() + "/" + name);

    const auto typed = [](const Status& status) {
      return status.IsCorruption() || status.IsNotSupported() || status.IsInvalidArgument();
    };
    options_.create_if_missing = false;
    const Status opened = Open();
    if (!opened.ok()) {
      EXPECT_TRUE(typed(opened)) << opened.ToString();
      EXPECT_NE(opened.message().find(path()), std::string::npos) << opened.ToString();
      ++refused;
      continue;
    }
    bool errors = false;
    for (const auto& [key, value] : expected_) {
      std::string found;
      const Status status = db_->Get({}, key, &found);
      if (status.ok()) {
        ASSERT_EQ(found, value) << key;
      } else {
        ASSERT_TRUE(typed(status)) << key << ": " << status.ToString();
        errors = true;
      }
    }
    auto it = db_->NewIterator({});
    auto next = expected_.begin();
    for (it->SeekToFirst(); it->Valid(); it->Next(), ++next) {
      ASSERT_NE(next, expected_.end());
      ASSERT_EQ(it->key(), next->first);
      ASSERT_EQ(it->value(), next->second);
    }
    ASSERT_EQ(it->status().ok(), next == expected_.end()) << it->status().ToString();
    EXPECT_EQ(!it->status().ok(), errors);
    it.reset();
    db_->Close().ok();
    db_.reset();
    ++(errors ? partial : whole);
  }
  // The injuries are of all sorts.
  EXPECT_GE(refused, 10);
  EXPECT_GE(partial, 10);
  EXPECT_GE(whole, 10);
}

// ---- The rest of the world ----

TEST_F(BadInputTest, WrongComparator) {
  Make();
  options_.comparator = ReverseComparator();
  ExpectOpenRefused(Status::Code::kInvalidArgument, "test.Reverse");
  ExpectOpenRefused(Status::Code::kInvalidArgument, "varve.BytewiseComparator");
  options_.comparator = BytewiseComparator();
  ExpectWhole();
}

TEST_F(BadInputTest, KeysAndValuesOverTheLimits) {
  Make();
  ASSERT_TRUE(Open().ok());
  const std::string long_key(WriteBatch::kKeyBytesMax + 1, 'k');
  ExpectError(db_->Put({}, long_key, "v"), Status::Code::kInvalidArgument, "65537");
  ExpectError(db_->Delete({}, long_key), Status::Code::kInvalidArgument, "65537");
  // Bytes that nobody may look at: the size alone decides.
  const Slice huge(long_key.data(), WriteBatch::kValueBytesMax + 1);
  ExpectError(db_->Put({}, "k", huge), Status::Code::kInvalidArgument, "4294967296");
  WriteBatch batch;
  ExpectError(batch.Put("k", huge), Status::Code::kInvalidArgument, "4294967296");
  EXPECT_EQ(batch.Count(), 0u);
  Put("after", "all is well");
  db_.reset();
  ExpectWhole();
}

// Without permission, in a child that gives up what lets root read everything.
TEST_F(BadInputTest, NoPermission) {
  Make();
  ASSERT_EQ(chmod((path() + "/MANIFEST").c_str(), 0), 0);
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const pid_t child = fork();
  if (child == 0) {
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2] = {};
    if (syscall(SYS_capset, &header, none) != 0) _exit(2);
    const Status status = Open();
    const std::string text = status.ToString();
    if (write(pipe_fds[1], text.data(), text.size()) < 0) _exit(3);
    _exit(status.IsIOError() ? 0 : 1);
  }
  close(pipe_fds[1]);
  int result = 0;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  char text[1024] = {};
  const ssize_t size = read(pipe_fds[0], text, sizeof(text) - 1);
  close(pipe_fds[0]);
  ASSERT_TRUE(WIFEXITED(result));
  EXPECT_EQ(WEXITSTATUS(result), 0) << text;
  ASSERT_GT(size, 0);
  EXPECT_NE(std::string(text).find(path() + "/MANIFEST: "), std::string::npos) << text;
  EXPECT_NE(std::string(text).find("Permission denied"), std::string::npos) << text;
  ASSERT_EQ(chmod((path() + "/MANIFEST").c_str(), 0644), 0);
  ExpectWhole();
}

class FullDiskTest : public BadInputTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(mkdir(mount_.c_str(), 0755), 0);
    mounted_ = mount("tmpfs", mount_.c_str(), "tmpfs", 0, "size=4m") == 0;
    if (!mounted_) GTEST_SKIP() << "no file system may be mounted here";
  }
  void TearDown() override {
    db_.reset();
    if (mounted_) umount2(mount_.c_str(), MNT_DETACH);
  }
  Status OpenThere() { return DB::Open(options_, mount_ + "/db", &db_); }
  void ExpectAllThere() {
    for (const auto& [key, value] : expected_) {
      std::string found;
      const Status status = db_->Get({}, key, &found);
      ASSERT_TRUE(status.ok()) << key << ": " << status.ToString();
      EXPECT_EQ(found, value);
    }
  }
  // Fills what is left of the disk.
  void Fill() {
    std::ofstream out(mount_ + "/ballast", std::ios::binary | std::ios::app);
    while (out.write(std::string(4096, 'b').data(), 4096).flush().good()) {
    }
  }

  const std::string mount_ = dir_.File("mount");
  bool mounted_ = false;
};

TEST_F(FullDiskTest, WritesEndWithNoSpaceAndNothingIsLost) {
  Write(mount_ + "/ballast", std::string(1 << 20, 'b'));
  ASSERT_TRUE(OpenThere().ok());
  Status status;
  for (int i = 0; i < 10'000 && status.ok(); ++i) {
    const std::string value = Key(i) + std::string(1000, 'v');
    status = db_->Put({}, Key(i), value);
    if (status.ok()) expected_[Key(i)] = value;
  }
  EXPECT_TRUE(status.IsNoSpace()) << status.ToString();
  EXPECT_NE(status.message().find(mount_), std::string::npos) << status.ToString();
  EXPECT_GE(expected_.size(), 500u);  // the logs of all of it may be there yet
  ExpectAllThere();
  db_.reset();
  std::filesystem::remove(mount_ + "/ballast");
  const Status opened = OpenThere();
  ASSERT_TRUE(opened.ok()) << opened.ToString();
  ExpectAllThere();
  // The flush of what was replayed and the log of the new write need room at the same time, so the
  // write may be refused until the flush is done and has given the older logs free.
  Status more;
  for (int tries = 0; tries < 60'000; ++tries) {
    more = db_->Put({}, "more", "room");
    if (!more.IsNoSpace()) break;
    SleepFor(1'000'000);
  }
  EXPECT_TRUE(more.ok()) << more.ToString();
}

TEST_F(FullDiskTest, AnOpenWithoutRoomChangesNothing) {
  Fill();
  EXPECT_TRUE(OpenThere().IsNoSpace());
  EXPECT_EQ(db_, nullptr);
  std::filesystem::remove(mount_ + "/ballast");
  ASSERT_TRUE(OpenThere().ok());
  Put("a", "1");
  ASSERT_TRUE(db_->Close().ok());
  Fill();
  // It has a log to replay, for which there is no room.
  const Status status = OpenThere();
  EXPECT_TRUE(status.IsNoSpace()) << status.ToString();
  std::filesystem::remove(mount_ + "/ballast");
  ASSERT_TRUE(OpenThere().ok());
  ExpectAllThere();
}

}  // namespace
}  // namespace varve
