#ifndef VARVE_TESTS_DB_MANIFEST_FIXTURE_H_
#define VARVE_TESTS_DB_MANIFEST_FIXTURE_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "db/manifest.h"
#include "tests/support/sim_env.h"
#include "tests/support/sim_file_system.h"
#include "util/random.h"

// What the tests of the manifest share: a database directory on the simulated disk, and entries
// that follow from their number.

namespace varve {

inline constexpr char kManifestTestDir[] = "/db";

inline ManifestOptions ManifestTestOptions(std::shared_ptr<FileSystem> fs, uint64_t seed) {
  ManifestOptions options;
  options.file_system = std::move(fs);
  options.machine = std::make_shared<SimMachine>(seed);
  options.comparator = "varve.BytewiseComparator";
  options.file_numbers_ahead = 8;
  options.sequences_ahead = 100;
  return options;
}

inline std::string InternalKeyOf(Slice user_key, SequenceNumber sequence) {
  std::string key;
  AppendInternalKey(&key, user_key, PackTrailer(sequence, ValueType::kValue));
  return key;
}

// Everything but the level follows from the number; keys have `key_bytes` bytes and a trailer.
inline SegmentEntry MakeEntry(FileNumber number, size_t key_bytes = 16, uint32_t level = 0) {
  Random random(number + 1);
  SegmentEntry e;
  e.number = number;
  e.level = level;
  e.epoch = number * 3;
  e.file_bytes = random.Skewed(32);
  e.raw_bytes = random.Skewed(33);
  e.entries = random.Skewed(20);
  e.deletes = e.entries / 3;
  e.smallest_sequence = random.Skewed(40);
  e.largest_sequence = e.smallest_sequence + random.Skewed(20);
  if (number % 5 == 0) {
    e.flags = kHasExpiry;
    e.min_expires_at = 1700000000000 + random.Skewed(20);
    e.max_expires_at = e.min_expires_at + random.Skewed(30);
  }
  std::string key(key_bytes, '\0');
  for (char& c : key) c = static_cast<char>(random.Next());
  e.smallest = InternalKeyOf(key, e.smallest_sequence);
  for (char& c : key) c = static_cast<char>(random.Next());
  e.largest = InternalKeyOf(key, e.largest_sequence);
  if (number % 4 == 0) e.applied_to = random.Skewed(20);
  if (number % 7 == 0) e.extensions = std::string("\x64\x03xyz", 5);
  return e;
}

// The same with a ghost file beside it (000013.ghost).
inline SegmentEntry WithGhostFile(SegmentEntry e) {
  e.flags |= kSegmentHasGhostFile;
  e.ghost_bytes = 100 + e.number;
  return e;
}
// What stands in the place of such a segment once it was evicted.
inline SegmentEntry Evicted(SegmentEntry e, uint64_t evicted) {
  e.flags |= kSegmentGhost;
  e.evicted = evicted;
  e.file_bytes = std::exchange(e.ghost_bytes, 0);
  return e;
}
// A ghost whose file could not be read.
inline SegmentEntry WithoutGhostFile(SegmentEntry e) {
  e.flags &= ~uint64_t{kSegmentHasGhostFile};
  e.file_bytes = 0;
  return e;
}
inline bool IsGhost(const SegmentEntry& e) { return (e.flags & kSegmentGhost) != 0; }
inline bool HasGhostFile(const SegmentEntry& e) { return (e.flags & kSegmentHasGhostFile) != 0; }
inline NumberedFile SegmentOf(FileNumber number) { return {FileType::kSegment, number}; }
inline NumberedFile GhostOf(FileNumber number) { return {FileType::kGhost, number}; }

using EntryMap = std::map<FileNumber, SegmentEntry>;

inline EntryMap ToMap(const std::vector<SegmentEntry>& entries) {
  EntryMap map;
  for (const SegmentEntry& e : entries) map[e.number] = e;
  return map;
}

class ManifestTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fs_->CreateDirectory(kManifestTestDir).ok());
    ASSERT_TRUE(fs_->SyncDirectory("/").ok());
  }

  ManifestOptions Options() {
    ManifestOptions options = ManifestTestOptions(fs_, ++opened_);
    options.mode_bits = mode_bits_;
    return options;
  }
  void Create() {
    Status s = Manifest::Create(Options(), kManifestTestDir, &manifest_);
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
  Status TryOpen() {
    manifest_.reset();
    state_ = ManifestState();
    return Manifest::Open(Options(), kManifestTestDir, &state_, &manifest_);
  }
  void Open() {
    Status s = TryOpen();
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
  FileNumber NewNumber() {
    FileNumber number = 0;
    Status s = manifest_->NewFileNumber(&number);
    EXPECT_TRUE(s.ok()) << s.ToString();
    return number;
  }
  // Commits one new segment.
  FileNumber Add(size_t key_bytes = 16) {
    const FileNumber number = NewNumber();
    ManifestEdit edit;
    edit.added.push_back(MakeEntry(number, key_bytes));
    Status s = manifest_->Commit(edit);
    EXPECT_TRUE(s.ok()) << s.ToString();
    return number;
  }
  void Remove(FileNumber number) {
    ManifestEdit edit;
    edit.removed.push_back(number);
    Status s = manifest_->Commit(edit);
    EXPECT_TRUE(s.ok()) << s.ToString();
  }
  // As a newly started tool would see it.
  EntryMap Inspected() {
    ManifestState state;
    Status s = Manifest::Inspect(fs_.get(), kManifestTestDir, &state);
    EXPECT_TRUE(s.ok()) << s.ToString();
    return ToMap(state.segments);
  }
  std::string path() const { return std::string(kManifestTestDir) + "/MANIFEST"; }

  std::shared_ptr<SimFileSystem> fs_ = SimFileSystem::New();
  uint64_t opened_ = 0;
  uint32_t mode_bits_ = 0;
  std::unique_ptr<Manifest> manifest_;
  ManifestState state_;
};

}  // namespace varve

#endif  // VARVE_TESTS_DB_MANIFEST_FIXTURE_H_
