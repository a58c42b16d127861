#include <algorithm>
#include <set>

#include "db/manifest_format.h"
#include "db/manifest_page.h"
#include "tests/db/manifest_fixture.h"
#include "util/coding.h"

// Damaged manifests: a refusal that says what and where, or the older root, never other content.

namespace varve {
namespace {

using manifest::kPageBytes;

class ManifestDamageTest : public ManifestTest {
 protected:
  // A small manifest with every kind of page: leaves under the root, or under an inner page, a
  // chain of spill pages, changes. before_ and now_ are what the two roots say.
  void Build(int segments, size_t key_bytes) {
    Create();
    for (int i = 0; i < segments; ++i) Add(key_bytes);
    Add(5000);
    for (int i = 0; i < 3; ++i) Add(key_bytes);
    before_ = Inspected();
    Remove(2);
    now_ = Inspected();
    disk_ = fs_->disk();
    image_ = fs_->ReadAll(path());
    manifest_.reset();
  }
  std::shared_ptr<SimFileSystem> Copy() const { return SimFileSystem::New({}, disk_); }
  std::shared_ptr<SimFileSystem> With(const std::string& image) const {
    auto fs = Copy();
    fs->Damage(path(), 0, image);
    return fs;
  }
  uint32_t NewestSlot() const {
    return DecodeFixed64(&image_[manifest::kGenerationAt]) >
                   DecodeFixed64(&image_[kPageBytes + manifest::kGenerationAt])
               ? 0
               : 1;
  }
  // Corruption, with the path and the page's offset in the message, by Inspect and Open alike;
  // Describe goes on.
  void ExpectRefused(SimFileSystem* fs, uint32_t page, const std::string& says = "") const {
    ManifestState state;
    Status s = Manifest::Inspect(fs, kManifestTestDir, &state);
    EXPECT_TRUE(s.IsCorruption()) << s.ToString();
    EXPECT_NE(s.message().find(path()), std::string::npos) << s.ToString();
    EXPECT_NE(s.message().find("at offset " + std::to_string(page * kPageBytes)), std::string::npos)
        << s.ToString();
    EXPECT_NE(s.message().find(says), std::string::npos) << s.ToString();
    std::string text;
    EXPECT_TRUE(Manifest::Describe(fs, kManifestTestDir, &text).ok());
    EXPECT_NE(text.find("DAMAGED"), std::string::npos);
    const std::string before = fs->ReadAll(path());
    std::unique_ptr<Manifest> manifest;
    s = Manifest::Open(ManifestTestOptions(fs->shared_from_this(), 1), kManifestTestDir, &state,
                       &manifest);
    EXPECT_TRUE(s.IsCorruption()) << s.ToString();
    EXPECT_EQ(fs->ReadAll(path()), before);  // a refused open leaves everything as it was
  }
  // Seals a page again after its bytes were changed.
  static void Reseal(std::string* image, uint32_t page) {
    char* p = image->data() + page * kPageBytes;
    manifest::PageHeader header;
    header.page = page;
    header.type = static_cast<manifest::PageType>(p[manifest::kTypeAt]);
    header.level = static_cast<uint8_t>(p[manifest::kLevelAt]);
    header.items = DecodeFixed16(p + manifest::kItemsAt);
    header.generation = DecodeFixed64(p + manifest::kGenerationAt);
    const std::string payload(p + manifest::kHeaderBytes,
                              DecodeFixed16(p + manifest::kPayloadSizeAt));
    uint64_t checksum;
    image->replace(page * kPageBytes, kPageBytes, EncodePage(header, payload, &checksum));
  }
  // The newest root decoded, changed by `change`, and sealed again.
  template <typename Change>
  std::string WithRoot(Change change) const {
    const uint32_t slot = NewestSlot();
    manifest::Root root;
    EXPECT_TRUE(DecodeRoot(Slice(image_).substr(slot * kPageBytes, kPageBytes), slot, &root).ok());
    change(&root);
    std::string image = image_;
    image.replace(slot * kPageBytes, kPageBytes, EncodeRoot(root, slot));
    return image;
  }

  SimDisk disk_;
  std::string image_;
  EntryMap before_, now_;
};

// Checklist N6, N7: each byte of the file, inverted.
TEST_F(ManifestDamageTest, EveryByteIsCovered) {
  Build(20, 450);
  const uint32_t newest = NewestSlot();
  std::set<uint32_t> refused_pages;
  int free_bytes = 0;
  auto fs = Copy();
  for (size_t at = 0; at < image_.size(); at += at < 2 * kPageBytes ? 1 : 7) {
    const uint32_t page = static_cast<uint32_t>(at / kPageBytes);
    const char flipped = static_cast<char>(~image_[at]);
    fs->Damage(path(), at, Slice(&flipped, 1));
    ManifestState state;
    Status s = Manifest::Inspect(fs.get(), kManifestTestDir, &state);
    if (page == newest) {  // as if torn: the older root
      ASSERT_TRUE(s.ok()) << s.ToString();
      ASSERT_EQ(ToMap(state.segments), before_);
      ASSERT_EQ(state.valid_roots, 1);
      ASSERT_NE(state.invalid_root.find("page " + std::to_string(page)), std::string::npos);
    } else if (page < 2) {
      ASSERT_TRUE(s.ok()) << s.ToString();
      ASSERT_EQ(ToMap(state.segments), now_);
      ASSERT_EQ(state.valid_roots, 1);
    } else if (s.ok()) {  // a free page, then
      ASSERT_EQ(ToMap(state.segments), now_);
      ASSERT_FALSE(refused_pages.contains(page)) << at;
      ++free_bytes;
    } else {
      ASSERT_TRUE(s.IsCorruption()) << s.ToString();
      ASSERT_NE(s.message().find("page " + std::to_string(page)), std::string::npos);
      refused_pages.insert(page);
    }
    fs->Damage(path(), at, Slice(&image_[at], 1));
  }
  EXPECT_GE(refused_pages.size(), 7u);  // leaves and spill pages
  EXPECT_LT(free_bytes, 3 * 586);
}

// Any subset of the sectors of a root may be old.
TEST_F(ManifestDamageTest, EveryTearOfTheNewestRootLeavesTheOlder) {
  Build(20, 450);
  const uint32_t newest = NewestSlot();
  // What stood in the slot two commits before.
  std::string old = image_.substr(newest * kPageBytes, kPageBytes);
  manifest::Root root;
  ASSERT_TRUE(DecodeRoot(old, newest, &root).ok());
  root.state.generation -= 2;
  root.state.clock_mark_ms = 77;
  root.changes.clear();
  root.changes_count = 0;
  old = EncodeRoot(root, newest);
  auto fs = Copy();
  int torn = 0;
  for (uint32_t sectors = 1; sectors < 255; ++sectors) {
    std::string page = image_.substr(newest * kPageBytes, kPageBytes);
    for (int i = 0; i < 8; ++i) {
      if (sectors >> i & 1) page.replace(i * 512, 512, old.substr(i * 512, 512));
    }
    if (page == image_.substr(newest * kPageBytes, kPageBytes) || page == old) continue;
    ++torn;
    fs->Damage(path(), newest * kPageBytes, page);
    ManifestState state;
    Status s = Manifest::Inspect(fs.get(), kManifestTestDir, &state);
    ASSERT_TRUE(s.ok()) << s.ToString();
    ASSERT_EQ(state.valid_roots, 1);
    ASSERT_EQ(ToMap(state.segments), before_);
  }
  EXPECT_GT(torn, 50);
}

// Checklist N7: it never opens as empty.
TEST_F(ManifestDamageTest, WithoutAValidRootItIsRefused) {
  Build(3, 16);
  auto fs = Copy();
  for (const uint32_t slot : {0, 1}) fs->Damage(path(), slot * kPageBytes + 4000, "X");
  ExpectRefused(fs.get(), 0, "no valid root");
  ExpectRefused(fs.get(), 1, "checksum");

  ExpectRefused(With(std::string(image_.size(), '\0')).get(), 0);
  for (const size_t size : {size_t{0}, size_t{100}, kPageBytes - 1}) {
    auto cut = Copy();
    std::unique_ptr<RandomRWFile> file;
    ASSERT_TRUE(cut->NewRandomRWFile(path(), false, &file).ok());
    ASSERT_TRUE(file->Truncate(size).ok());
    ExpectRefused(cut.get(), 0, "past the end of the file");
  }
}

// Checklist N2, N6: pages at wrong places, older ones, missing ones, loops.
TEST_F(ManifestDamageTest, MisplacedPagesAreRefused) {
  Build(200, 450);
  const uint32_t pages = static_cast<uint32_t>(image_.size() / kPageBytes);
  ASSERT_GT(pages, 40u);
  // Each page to the place of the next: wherever it is reached, its number is wrong.
  int refused = 0;
  for (uint32_t page = 2; page + 1 < pages; ++page) {
    std::string image = image_;
    image.replace((page + 1) * kPageBytes, kPageBytes,
                  image_.substr(page * kPageBytes, kPageBytes));
    auto fs = With(image);
    ManifestState state;
    Status s = Manifest::Inspect(fs.get(), kManifestTestDir, &state);
    if (s.ok()) {
      ASSERT_EQ(ToMap(state.segments), now_);
      continue;
    }
    ++refused;
    ASSERT_TRUE(s.IsCorruption());
    ASSERT_NE(s.message().find("it is page " + std::to_string(page) + ", expected page"),
              std::string::npos)
        << s.ToString();
  }
  EXPECT_GT(refused, 30);

  // The roots in each other's place: neither is one.
  std::string image = image_;
  image.replace(0, kPageBytes, image_.substr(kPageBytes, kPageBytes));
  image.replace(kPageBytes, kPageBytes, image_.substr(0, kPageBytes));
  ExpectRefused(With(image).get(), 0, "it is page 1, expected page 0");
}

TEST_F(ManifestDamageTest, WholePagesOfAnotherTimeAreRefused) {
  Build(20, 450);
  manifest::Root root;
  const uint32_t slot = NewestSlot();
  ASSERT_TRUE(DecodeRoot(Slice(image_).substr(slot * kPageBytes, kPageBytes), slot, &root).ok());
  ASSERT_GE(root.links.size(), 2u);
  const uint32_t leaf = root.links[0].link.page;
  std::string image = image_;
  char* p = image.data() + leaf * kPageBytes;
  EncodeFixed64(p + manifest::kGenerationAt, root.links[0].link.generation - 1);
  Reseal(&image, leaf);  // a valid page, one generation older
  ExpectRefused(With(image).get(), leaf, "its link says generation");
  image = image_;
  image[leaf * kPageBytes + 100] ^= 1;  // the same generation, other content
  Reseal(&image, leaf);
  ExpectRefused(With(image).get(), leaf, "its link says generation");
}

// A checksum says that it was written so, not that it makes sense.
TEST_F(ManifestDamageTest, RootsThatContradictThemselvesAreRefused) {
  Build(20, 450);
  const uint32_t slot = NewestSlot();
  using manifest::Root;
  const auto refused = [&](const std::string& says, auto change) {
    SCOPED_TRACE(says);
    ExpectRefused(With(WithRoot(change)).get(), slot, says);
  };
  refused("a second time", [](Root* r) { r->links[1].link = r->links[0].link; });
  refused("links to the root", [](Root* r) { r->links[0].link.page = 1; });
  refused("past the end of the file", [](Root* r) { r->links[0].link.page = 1u << 31; });
  refused("out of order", [](Root* r) { std::swap(r->links[0], r->links[1]); });
  refused("segments", [](Root* r) { ++r->segments; });
  refused("segments", [](Root* r) { r->segments = UINT64_MAX; });  // and no room is taken for them
  refused("changes", [](Root* r) { ++r->changes_count; });
  refused("height", [](Root* r) { r->height = 0; });
  refused("height", [](Root* r) { r->height = 200; });
  refused("height", [](Root* r) { r->links.clear(); });
  refused("counters", [](Root* r) { r->state.next_sequence = kMaxSequence + 2; });
  refused("counters", [](Root* r) { r->state.next_file_number = UINT64_MAX; });
  refused("counters", [](Root* r) { r->state.generation = UINT64_MAX - 5; });
  refused("removes segment 9999", [](Root* r) {
    r->changes += manifest::EncodeRemovedCell(9999);
    ++r->changes_count;
  });
  refused("out of order", [](Root* r) {
    r->changes += manifest::EncodeRemovedCell(1);
    ++r->changes_count;
  });
  refused("malformed", [](Root* r) { r->changes += "\x7f"; });
  refused("spilled entry", [](Root* r) {
    r->changes += manifest::EncodeSpilledCell(9999, UINT32_MAX, {});
    ++r->changes_count;
  });
  refused("cut off", [](Root* r) {
    r->changes += manifest::EncodeInlineCell(9999, "\x01\x02");
    ++r->changes_count;
  });
  refused("segment 9999: the entry is a ghost of no eviction", [](Root* r) {
    SegmentEntry ghost = WithoutGhostFile(MakeEntry(9999));
    ghost.flags |= kSegmentGhost;
    std::string body;
    EncodeSegmentEntry(ghost, &body);
    r->changes += manifest::EncodeInlineCell(9999, body);
    ++r->changes_count;
  });
  refused("is not of a cache",
          [](Root* r) { r->state.incompatible_features = manifest::kFeatureGhosts; });
  // The tree is one level higher than the root says, and lower.
  ManifestState state;
  for (const int by : {1, -1}) {
    const std::string image = WithRoot([by](Root* r) { r->height += by; });
    auto fs = With(image);
    EXPECT_TRUE(Manifest::Inspect(fs.get(), kManifestTestDir, &state).IsCorruption());
  }
  // Both roots valid, of one generation, or of two databases.
  std::string image = WithRoot([](Root* r) { --r->state.generation; });
  EXPECT_TRUE(Manifest::Inspect(With(image).get(), kManifestTestDir, &state).IsCorruption());
  image = WithRoot([](Root* r) { ++r->state.database_id.low; });
  EXPECT_TRUE(Manifest::Inspect(With(image).get(), kManifestTestDir, &state).IsCorruption());
}

TEST_F(ManifestDamageTest, FormatsOfOtherBuildsAreRefusedByName) {
  Build(20, 450);
  const uint32_t slot = NewestSlot();
  using manifest::Root;
  const auto expect = [&](const std::string& image, bool readable, const std::string& says) {
    auto fs = With(image);
    ManifestState state;
    Status s = Manifest::Inspect(fs.get(), kManifestTestDir, &state);
    EXPECT_EQ(s.ok(), readable) << s.ToString();
    std::unique_ptr<Manifest> manifest;
    s = Manifest::Open(ManifestTestOptions(fs, 1), kManifestTestDir, &state, &manifest);
    EXPECT_EQ(s.IsNotSupported(), !says.empty()) << s.ToString();
    EXPECT_EQ(s.ok(), says.empty()) << s.ToString();
    EXPECT_NE(s.message().find(says), std::string::npos) << s.ToString();
  };
  expect(WithRoot([](Root* r) { r->state.incompatible_features = 0x40; }), false,
         "incompatible features 0x0000000000000040");
  expect(WithRoot([](Root* r) { r->state.read_only_compatible_features = 2; }), true,
         "read-only-compatible features 0x0000000000000002");
  expect(WithRoot([](Root* r) { r->state.compatible_features = 8; }), true, "");
  std::string image = image_;
  EncodeFixed32(&image[slot * kPageBytes + manifest::kVersionAt], 2);
  Reseal(&image, slot);
  expect(image, false, "format version 2");
  // Bits and extensions of a later build that do no harm stay.
  auto fs = With(WithRoot([](Root* r) {
    r->state.compatible_features = 8;
    r->extensions = std::string("\x05\x02hi", 4);
  }));
  for (int i = 0; i < 2; ++i) {
    ManifestState state;
    std::unique_ptr<Manifest> manifest;
    ASSERT_TRUE(
        Manifest::Open(ManifestTestOptions(fs, i), kManifestTestDir, &state, &manifest).ok());
    EXPECT_EQ(state.compatible_features, 8u);
    Root root;
    const std::string after = fs->ReadAll(path());
    ASSERT_TRUE(DecodeRoot(Slice(after).substr(0, kPageBytes), 0, &root).ok());
    EXPECT_EQ(root.extensions, std::string("\x05\x02hi", 4));
  }
}

TEST_F(ManifestDamageTest, ACutFileIsRefusedOnlyIfSomethingIsLost) {
  Build(60, 450);
  int opened = 0, refused = 0;
  for (size_t size = 2 * kPageBytes; size < image_.size() + kPageBytes; size += 1000) {
    auto fs = Copy();
    std::unique_ptr<RandomRWFile> file;
    ASSERT_TRUE(fs->NewRandomRWFile(path(), false, &file).ok());
    ASSERT_TRUE(file->Truncate(size).ok());
    file.reset();
    ManifestState state;
    std::unique_ptr<Manifest> manifest;
    Status s = Manifest::Open(ManifestTestOptions(fs, size), kManifestTestDir, &state, &manifest);
    if (s.ok()) {
      ++opened;
      ASSERT_EQ(ToMap(state.segments), now_);
      // What is written next goes to whole pages, and is found again (Checklist N2).
      for (int i = 0; i < 20; ++i) {
        ManifestEdit edit;
        FileNumber number;
        ASSERT_TRUE(manifest->NewFileNumber(&number).ok());
        edit.added.push_back(MakeEntry(number, 450));
        ASSERT_TRUE(manifest->Commit(edit).ok());
      }
      ASSERT_TRUE(Manifest::Inspect(fs.get(), kManifestTestDir, &state).ok());
      ASSERT_EQ(state.segments.size(), now_.size() + 20);
      continue;
    }
    ++refused;
    ASSERT_TRUE(s.IsCorruption()) << s.ToString();
    ASSERT_NE(s.message().find("past the end of the file"), std::string::npos) << s.ToString();
  }
  EXPECT_GT(refused, 20);
  EXPECT_GE(opened, 3);  // with a torn tail behind it, for one
}

// Checklist I5: a read error is an error, not a damaged root that the other may stand in for.
TEST_F(ManifestDamageTest, AReadErrorIsReported) {
  Build(20, 450);
  auto fs = Copy();
  fs->InjectFault({.calls = kSimRead, .nth = 1});
  ManifestState state;
  EXPECT_TRUE(Manifest::Inspect(fs.get(), kManifestTestDir, &state).IsIOError());
  EXPECT_EQ(fs->calls_failed(), 1u);
}

// Bytes at random, sealed or not: whatever happens, it ends, and it is no crash.
TEST_F(ManifestDamageTest, SealedNonsenseIsSurvived) {
  Build(60, 450);
  Random random(11);
  const uint32_t pages = static_cast<uint32_t>(image_.size() / kPageBytes);
  int refused = 0;
  for (int i = 0; i < 600; ++i) {
    std::string image = image_;
    const uint32_t page =
        static_cast<uint32_t>(random.OneIn(2) ? NewestSlot() : random.Uniform(pages));
    for (uint64_t n = 1 + random.Uniform(3); n > 0; --n) {
      const size_t at = page * kPageBytes + 8 + random.Uniform(random.OneIn(2) ? 160 : 4088);
      image[at] = static_cast<char>(random.Next());
    }
    EncodeFixed16(
        &image[page * kPageBytes + manifest::kPayloadSizeAt],
        std::min<uint16_t>(DecodeFixed16(&image[page * kPageBytes + manifest::kPayloadSizeAt]),
                           manifest::kPayloadBytesMax));
    Reseal(&image, page);
    auto fs = With(image);
    ManifestState state;
    refused += !Manifest::Inspect(fs.get(), kManifestTestDir, &state).ok();
    std::string text;
    ASSERT_TRUE(Manifest::Describe(fs.get(), kManifestTestDir, &text).ok());
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace varve
