#include <cstdio>
#include <fstream>
#include <sstream>

#include "db/manifest_format.h"
#include "db/manifest_page.h"
#include "tests/db/manifest_fixture.h"

// tests/golden/manifest-v1*.hex are manifests of format version 1: one line for each 32 bytes that
// are not all zero, offset and bytes. Later builds must read them, and, as long as they write
// version 1, write the same. A mismatch prints what was written.

namespace varve {
namespace {

constexpr size_t kLineBytes = 32;

std::string ToText(const std::string& bytes) {
  std::ostringstream out;
  char text[24];
  std::snprintf(text, sizeof(text), "%06zx", bytes.size());
  out << "size " << text << "\n";
  for (size_t at = 0; at < bytes.size(); at += kLineBytes) {
    const std::string line = bytes.substr(at, kLineBytes);
    if (line.find_first_not_of('\0') == std::string::npos) continue;
    std::snprintf(text, sizeof(text), "%06zx ", at);
    out << text;
    for (const char c : line) {
      std::snprintf(text, sizeof(text), "%02x", static_cast<unsigned char>(c));
      out << text;
    }
    out << "\n";
  }
  return out.str();
}

std::string FromText(const std::string& text) {
  std::istringstream in(text);
  std::string word, hex;
  in >> word >> hex;
  std::string bytes(std::stoul(hex, nullptr, 16), '\0');
  while (in >> word >> hex) {
    const size_t at = std::stoul(word, nullptr, 16);
    for (size_t i = 0; i < hex.size() / 2; ++i) {
      bytes[at + i] = static_cast<char>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
    }
  }
  return bytes;
}

std::string ReadGolden(const std::string& name) {
  std::ifstream in("tests/golden/" + name);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// Random numbers that are 1, 2, 3 …
class CountingMachine : public Machine {
 public:
  std::string BootId() override { return "golden boot"; }
  uint64_t MemoryLimitBytes() override { return 1 << 20; }
  uint64_t RandomSeed() override { return ++count_; }

 private:
  uint64_t count_ = 0;
};

SegmentEntry Entry(FileNumber number, size_t key_bytes) {
  SegmentEntry e;
  e.number = number;
  e.level = 1;
  e.epoch = 300;
  e.file_bytes = 4000;
  e.raw_bytes = 9000;
  e.entries = 90;
  e.deletes = 2;
  e.smallest_sequence = 1000;
  e.largest_sequence = 1089;
  e.smallest = InternalKeyOf(std::string(key_bytes, 'a'), 1010);
  e.largest = InternalKeyOf(std::string(key_bytes, 'z'), 1020);
  return e;
}

class ManifestGoldenTest : public ManifestTest {
 protected:
  // A directory with such a manifest in it.
  void Place(const std::string& bytes) {
    std::unique_ptr<WritableFile> file;
    ASSERT_TRUE(fs_->NewWritableFile(path(), 0, &file).ok());
    ASSERT_TRUE(file->Append(bytes).ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(file->Close().ok());
    ASSERT_TRUE(fs_->SyncDirectory(kManifestTestDir).ok());
  }
  // Options with which the same bytes are written each time.
  ManifestOptions GoldenOptions(uint32_t mode_bits = 0) {
    ManifestOptions options = ManifestTestOptions(fs_, 1);
    options.machine = std::make_shared<CountingMachine>();
    options.mode_bits = mode_bits;
    return options;
  }
  // Commits `edit` to the manifest, which then is `golden`; opens `golden` in a directory of its
  // own.
  void CommitAndOpen(const ManifestEdit& edit, const std::string& golden, uint32_t mode_bits = 0) {
    ASSERT_TRUE(manifest_->Commit(edit).ok());
    manifest_.reset();
    const std::string text = ToText(fs_->ReadAll(path()));
    EXPECT_TRUE(text == golden) << text;

    fs_ = SimFileSystem::New();
    SetUp();
    Place(FromText(golden));
    mode_bits_ = mode_bits;
    Open();
    EXPECT_EQ(state_.segments, edit.added);
  }
};

// The worked example of db/MANIFEST.md.
TEST_F(ManifestGoldenTest, TheExampleIsWrittenAndRead) {
  const std::string golden = ReadGolden("manifest-v1-example.hex");
  ASSERT_TRUE(Manifest::Create(GoldenOptions(), kManifestTestDir, &manifest_).ok());
  ManifestEdit edit;
  NewNumber();  // a log's, 1
  edit.added.push_back(Entry(NewNumber(), 3));
  edit.lowest_log = 1;
  edit.durable_log = {1, 4096};
  edit.next_sequence = 1090;
  CommitAndOpen(edit, golden);
  EXPECT_EQ(state_.next_file_number, 11u);
  EXPECT_EQ(state_.next_sequence, 1190u);
  EXPECT_EQ(state_.durable_log, (LogPosition{1, 4096}));
  EXPECT_EQ(state_.boot_id, "golden boot");
  EXPECT_EQ(state_.database_id, (DatabaseId{1, 2}));
}

// A cache, with a segment all of which expires.
TEST_F(ManifestGoldenTest, ACacheIsWrittenAndRead) {
  const std::string golden = ReadGolden("manifest-v1-cache.hex");
  ASSERT_TRUE(Manifest::Create(GoldenOptions(kCacheMode), kManifestTestDir, &manifest_).ok());
  ManifestEdit edit;
  edit.added.push_back(Entry(NewNumber(), 3));
  edit.added[0].flags = kHasExpiry | kAllExpire;
  edit.added[0].min_expires_at = 1700000000000;
  edit.added[0].max_expires_at = 1700000060000;
  CommitAndOpen(edit, golden, kCacheMode);
  EXPECT_EQ(state_.mode_bits, kCacheMode);
  EXPECT_EQ(state_.incompatible_features, manifest::kFeatureGhosts);
}

// Segments with ghost files, and ghosts: what entries of a cache have besides.
TEST_F(ManifestGoldenTest, EntriesOfACacheAreWrittenAndRead) {
  const std::string golden = ReadGolden("manifest-v1-ghosts.hex");
  ASSERT_TRUE(Manifest::Create(GoldenOptions(kCacheMode), kManifestTestDir, &manifest_).ok());
  SegmentEntry segment = Entry(1, 3);
  segment.flags = kSegmentHasGhostFile;
  segment.ghost_bytes = 300;
  segment.applied_to = 5;
  SegmentEntry ghost = Entry(2, 3);
  ghost.flags = kSegmentGhost | kSegmentHasGhostFile | kHasRangeDeletes;
  ghost.file_bytes = 310;
  ghost.evicted = 6;
  SegmentEntry unreadable = Entry(3, 3);
  unreadable.flags = kSegmentGhost;
  unreadable.file_bytes = 0;
  unreadable.evicted = 7;
  unreadable.applied_to = 4;
  unreadable.extensions = std::string("\x21\x02ok", 4);
  ManifestEdit edit;
  for (int i = 0; i < 3; ++i) NewNumber();
  edit.added = {segment, ghost, unreadable};
  CommitAndOpen(edit, golden, kCacheMode);
  std::string description;
  ASSERT_TRUE(Manifest::Describe(fs_.get(), kManifestTestDir, &description).ok());
  for (const char* part :
       {"evictions applied to 5, ghost file of 300 bytes", "310 bytes (9000 raw)",
        "a ghost since eviction 6\n", "applied to 4, a ghost since eviction 7, without a file"}) {
    EXPECT_NE(description.find(part), std::string::npos) << part << "\n" << description;
  }
}

// A cache that was emptied and has been condemned since: the state bits, and the last reset.
TEST_F(ManifestGoldenTest, AResetIsWrittenAndRead) {
  const std::string golden = ReadGolden("manifest-v1-reset.hex");
  ASSERT_TRUE(Manifest::Create(GoldenOptions(kCacheMode), kManifestTestDir, &manifest_).ok());
  ManifestEdit before;
  before.added.push_back(Entry(NewNumber(), 3));
  ASSERT_TRUE(manifest_->Commit(before).ok());
  ManifestEdit edit;
  edit.reset.emplace();
  edit.reset->reason = CacheResetReason::kIoFailure;
  edit.reset->wall_ms = 1700000000000;
  edit.lowest_log = 2;
  edit.condemned = edit.unlogged = edit.all_synced = true;
  CommitAndOpen(edit, golden, kCacheMode);
  EXPECT_TRUE(state_.condemned);
  EXPECT_TRUE(state_.unlogged);
  EXPECT_TRUE(state_.all_synced);
  ASSERT_TRUE(state_.last_reset.has_value());
  EXPECT_EQ(state_.last_reset->reason, CacheResetReason::kIoFailure);
  EXPECT_EQ(state_.last_reset->wall_ms, 1700000000000u);
  EXPECT_EQ(state_.last_reset->segments, 1u);
  EXPECT_EQ(state_.last_reset->resets, 1u);
}

// Every kind of page, cell and field in seven pages: a root whose tree has an inner page over two
// leaves, a chain of two spill pages, changes that add, replace and remove. Made by hand, as a
// writer would need more pages for it.
TEST_F(ManifestGoldenTest, EveryKindOfPageIsRead) {
  using namespace manifest;
  SegmentEntry inline_entry = Entry(2, 3);
  inline_entry.flags = kHasExpiry | kSegmentProbation;
  inline_entry.min_expires_at = 1700000000000;
  inline_entry.max_expires_at = 1700000060000;
  SegmentEntry spilled = Entry(5, 2500), replaced = Entry(7, 4), removed = Entry(9, 5),
               added = Entry(12, 6);
  added.extensions = std::string("\x21\x02ok", 4);
  const auto body = [](const SegmentEntry& e) {
    std::string out;
    EncodeSegmentEntry(e, &out);
    return out;
  };
  const auto page = [](uint32_t number, PageType type, uint8_t level, uint16_t items,
                       const std::string& payload, PageLink* link) {
    PageHeader header;
    header.page = number;
    header.type = type;
    header.level = level;
    header.items = items;
    header.generation = link->generation = 40;
    link->page = number;
    return EncodePage(header, payload, &link->checksum);
  };
  const std::string long_body = body(spilled);
  std::string payload;
  PageLink spill6, spill5, leaf2, leaf3, inner;
  PutPageLink(&payload, {});
  payload += long_body.substr(kSpillBytesMax);
  const std::string page6 = page(6, PageType::kSpill, 0, 0, payload, &spill6);
  payload.clear();
  PutPageLink(&payload, spill6);
  payload += long_body.substr(0, kSpillBytesMax);
  const std::string page5 = page(5, PageType::kSpill, 0, 0, payload, &spill5);
  const std::string page2 =
      page(2, PageType::kLeaf, 0, 2,
           EncodeInlineCell(2, body(inline_entry)) + EncodeSpilledCell(5, long_body.size(), spill5),
           &leaf2);
  const std::string page3 =
      page(3, PageType::kLeaf, 0, 2,
           EncodeInlineCell(7, body(replaced)) + EncodeInlineCell(9, body(removed)), &leaf3);
  payload.clear();
  PutChildLink(&payload, {2, leaf2});
  PutChildLink(&payload, {7, leaf3});
  const std::string page4 = page(4, PageType::kInner, 1, 2, payload, &inner);
  replaced.level = 6;
  Root root;
  ManifestState& s = root.state;
  s.generation = 50;
  s.compatible_features = 0;
  s.database_id = {0x0123456789abcdef, 0xfedcba9876543210};
  s.comparator = "varve.BytewiseComparator";
  s.boot_id = "golden boot";
  s.mode_bits = 3;
  s.clean_close = true;
  s.next_file_number = 20;
  s.next_sequence = 5000;
  s.lowest_log = 10;
  s.durable_log = {11, 8192};
  s.retained_sequence = 600;
  s.clock_mark_ms = 1700000000000;
  root.height = 2;
  root.links = {{2, inner}};
  root.segments = 4;
  root.extensions = std::string("\x23\x03yes", 5);
  root.changes = EncodeInlineCell(7, body(replaced)) + EncodeRemovedCell(9) +
                 EncodeInlineCell(12, body(added));
  root.changes_count = 3;
  std::string image = EncodeRoot(root, 0);
  --s.generation;
  image += EncodeRoot(root, 1) + page2 + page3 + page4 + page5 + page6;

  const std::string golden = ReadGolden("manifest-v1.hex");
  const std::string text = ToText(image);
  EXPECT_TRUE(text == golden) << text;
  Place(FromText(golden));
  mode_bits_ = kCacheMode;  // as its root says
  Open();
  EXPECT_EQ(state_.segments, (std::vector<SegmentEntry>{inline_entry, spilled, replaced, added}));
  EXPECT_EQ(state_.generation, 50u);
  EXPECT_TRUE(state_.clean_close);
  EXPECT_EQ(state_.mode_bits, 3u);
  EXPECT_EQ(state_.next_file_number, 20u);
  EXPECT_EQ(state_.next_sequence, 5000u);
  EXPECT_EQ(state_.lowest_log, 10u);
  EXPECT_EQ(state_.durable_log, (LogPosition{11, 8192}));
  EXPECT_EQ(state_.retained_sequence, 600u);
  EXPECT_EQ(state_.clock_mark_ms, 1700000000000u);
  // And it can be gone on with.
  for (int i = 0; i < 50; ++i) Add(100);
  Remove(5);
  Open();
  EXPECT_EQ(state_.segments.size(), 53u);
}

}  // namespace
}  // namespace varve
