#include "db/manifest_page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "db/manifest_free_pages.h"
#include "db/manifest_tree.h"
#include "tests/db/manifest_fixture.h"

// The parts below the writer: encodings, the tree in memory, the set of free pages.

namespace varve::manifest {
namespace {

TEST(ManifestEntry, EncodesEveryFieldAndRefusesEveryCut) {
  for (FileNumber number : {1, 5, 7, 8, 35, 36, 37}) {
    SegmentEntry entry = MakeEntry(number, 20, 6);
    if (number == 36) entry = WithGhostFile(entry);
    if (number == 37) entry = Evicted(WithGhostFile(entry), 1000);
    std::string body;
    EncodeSegmentEntry(entry, &body);
    SegmentEntry back;
    ASSERT_TRUE(DecodeSegmentEntry(number, body, &back).ok());
    EXPECT_EQ(back, entry);
    // An entry may end before its extensions: that is another entry, and only valid as such.
    SegmentEntry plain = entry;
    plain.applied_to = plain.evicted = plain.ghost_bytes = 0;
    plain.extensions.clear();
    std::string plain_body;
    EncodeSegmentEntry(plain, &plain_body);
    for (size_t size = 0; size < body.size(); ++size) {
      Status s = DecodeSegmentEntry(number, Slice(body).substr(0, size), &back);
      if (size < plain_body.size() || !s.ok()) {
        EXPECT_TRUE(s.IsCorruption()) << number << " cut at " << size;
        continue;
      }
      std::string again;
      EncodeSegmentEntry(back, &again);
      EXPECT_EQ(again, body.substr(0, size));
    }
  }
}

TEST(ManifestEntry, KeepsExtensionsOfLaterBuilds) {
  SegmentEntry entry = MakeEntry(2), back;
  entry.applied_to = 300;
  std::string body;
  EncodeSegmentEntry(entry, &body);
  EXPECT_TRUE(body.ends_with(std::string("\x01\x02\xac\x02", 4)));
  body += std::string("\x05\x02hi\x04\x00", 6);
  ASSERT_TRUE(DecodeSegmentEntry(2, body, &back).ok());
  EXPECT_EQ(back.applied_to, 300u);
  EXPECT_EQ(back.extensions, std::string("\x05\x02hi\x04\x00", 6));
  std::string again;
  EncodeSegmentEntry(back, &again);
  EXPECT_EQ(again, body);
}

// What is hidden is told by an extension, among others that this build does not know.
TEST(ManifestEntry, KeepsWhatIsHidden) {
  SegmentEntry entry = MakeEntry(7), back;
  ASSERT_FALSE(entry.extensions.empty());
  std::string without;
  EncodeSegmentEntry(entry, &without);
  entry.hidden = 300;
  std::string body;
  EncodeSegmentEntry(entry, &body);
  const std::string field("\x08\x02\xac\x02", 4);
  EXPECT_EQ(body, std::string(without).insert(without.size() - entry.extensions.size(), field));
  ASSERT_TRUE(DecodeSegmentEntry(7, body, &back).ok());
  EXPECT_EQ(back, entry);
  ASSERT_TRUE(DecodeSegmentEntry(7, without + field, &back).ok());  // in whatever order
  EXPECT_EQ(back, entry);
  ASSERT_TRUE(DecodeSegmentEntry(7, without, &back).ok());
  EXPECT_EQ(back.hidden, 0u);
  EXPECT_TRUE(DecodeSegmentEntry(7, body + field, &back).IsCorruption());  // twice
}

// What an entry says of files and evictions is never guessed at.
TEST(ManifestEntry, RefusesGhostsThatCannotBe) {
  const SegmentEntry segment = WithGhostFile(MakeEntry(2)), ghost = Evicted(segment, 9);
  const auto decodes = [](const SegmentEntry& entry, const std::string& more = "") {
    std::string body;
    EncodeSegmentEntry(entry, &body);
    SegmentEntry back;
    const Status s = DecodeSegmentEntry(entry.number, body + more, &back);
    EXPECT_TRUE(s.ok() || s.IsCorruption()) << s.ToString();
    return s.ok();
  };
  EXPECT_TRUE(decodes(segment));
  EXPECT_TRUE(decodes(ghost));
  EXPECT_TRUE(decodes(WithoutGhostFile(ghost)));
  const auto refused = [&](SegmentEntry entry, auto change) {
    change(&entry);
    EXPECT_FALSE(decodes(entry));
  };
  refused(segment, [](SegmentEntry* e) { e->ghost_bytes = 0; });
  refused(segment, [](SegmentEntry* e) { e->flags &= ~uint64_t{kSegmentHasGhostFile}; });
  refused(segment, [](SegmentEntry* e) { e->flags |= kSegmentGhost; });
  refused(segment, [](SegmentEntry* e) { e->evicted = 1; });
  refused(ghost, [](SegmentEntry* e) { e->evicted = 0; });
  refused(ghost, [](SegmentEntry* e) { e->file_bytes = 0; });
  refused(ghost, [](SegmentEntry* e) { e->ghost_bytes = 5; });
  refused(ghost, [](SegmentEntry* e) { e->flags &= ~uint64_t{kSegmentHasGhostFile}; });
  // Extensions that are no number, none above 0, or there twice.
  const SegmentEntry plain = MakeEntry(2);
  EXPECT_TRUE(decodes(plain, std::string("\x01\x01\x07", 3)));
  EXPECT_FALSE(decodes(plain, std::string("\x01\x00", 2)));
  EXPECT_FALSE(decodes(plain, std::string("\x01\x01\x00", 3)));
  EXPECT_FALSE(decodes(plain, std::string("\x01\x01\x80", 3)));
  EXPECT_FALSE(decodes(plain, std::string("\x01\x02\x07\x07", 4)));
  EXPECT_FALSE(decodes(plain, std::string("\x01\x01\x07\x01\x01\x07", 6)));
  EXPECT_FALSE(ValidExtensions(std::string("\x02\x01\x07", 3)));
  EXPECT_TRUE(ValidExtensions(std::string("\x04\x01\x07", 3)));
}

TEST(ManifestEntry, RefusesRangesThatPassTheirEnd) {
  SegmentEntry entry = MakeEntry(1), back;
  entry.largest_sequence = kMaxSequence;
  std::string body;
  EncodeSegmentEntry(entry, &body);
  EXPECT_TRUE(DecodeSegmentEntry(1, body, &back).ok());
  ++entry.largest_sequence;
  body.clear();
  EncodeSegmentEntry(entry, &body);
  EXPECT_TRUE(DecodeSegmentEntry(1, body, &back).IsCorruption());
  entry = MakeEntry(5);
  entry.min_expires_at = 10;
  entry.max_expires_at = 9;  // encoded as a width of 2^64 - 1
  body.clear();
  EncodeSegmentEntry(entry, &body);
  EXPECT_TRUE(DecodeSegmentEntry(5, body, &back).IsCorruption());
}

// Checklist N6.
TEST(ManifestPage, ItsChecksumCoversNumberTypeGenerationAndContent) {
  PageHeader header;
  header.page = 7;
  header.type = PageType::kLeaf;
  header.items = 3;
  header.generation = 99;
  uint64_t checksum, computed;
  const std::string image = EncodePage(header, "some payload", &checksum);
  PageHeader back;
  Slice payload;
  ASSERT_TRUE(DecodePage(image, 7, &back, &computed, &payload).ok());
  EXPECT_EQ(payload, "some payload");
  EXPECT_EQ(back.generation, 99u);
  EXPECT_EQ(computed, checksum);
  EXPECT_TRUE(DecodePage(image, 8, &back, &computed, &payload).IsCorruption());
  EXPECT_TRUE(DecodePage(Slice(image).substr(1), 7, &back, &computed, &payload).IsCorruption());
  for (size_t at = 0; at < kPageBytes; ++at) {
    std::string damaged = image;
    damaged[at] ^= 0x10;
    EXPECT_TRUE(DecodePage(damaged, 7, &back, &computed, &payload).IsCorruption()) << at;
  }
}

TEST(ManifestRoot, ComesBackAndIsRefusedWhereItIsCut) {
  Root root;
  root.state.generation = 12;
  root.state.comparator = "some order";
  root.state.boot_id = "boot";
  root.state.database_id = {1, 2};
  root.state.next_file_number = 3;
  root.state.next_sequence = 4;
  root.state.lowest_log = 5;
  root.state.durable_log = {6, 7};
  root.state.retained_sequence = 8;
  root.state.clock_mark_ms = 9;
  root.state.mode_bits = 10;
  root.state.clean_close = true;
  root.height = 1;
  root.links = {{1, {2, 3, 4}}, {5, {6, 7, 8}}};
  root.changes = EncodeRemovedCell(3) + EncodeInlineCell(4, "body");
  root.changes_count = 2;
  root.segments = 11;
  Root back;
  const std::string image = EncodeRoot(root, 1);
  ASSERT_TRUE(DecodeRoot(image, 1, &back).ok());
  EXPECT_EQ(EncodeRoot(back, 1), image);
  EXPECT_EQ(back.state.durable_log, (LogPosition{6, 7}));
  EXPECT_TRUE(back.state.clean_close);
  EXPECT_EQ(back.links[1].link, (PageLink{6, 7, 8}));
  root.state.mode_bits |= kCacheMode;
  root.state.condemned = root.state.all_synced = true;
  root.state.last_reset.emplace();
  root.state.last_reset->reason = CacheResetReason::kDamagedLog;
  root.state.last_reset->segments = 300;
  root.extensions = std::string("\x21\x02ok", 4);
  const std::string cache = EncodeRoot(root, 1);
  ASSERT_TRUE(DecodeRoot(cache, 1, &back).ok());
  EXPECT_EQ(EncodeRoot(back, 1), cache);
  EXPECT_TRUE(back.state.condemned);
  EXPECT_FALSE(back.state.unlogged);
  EXPECT_TRUE(back.state.all_synced);
  EXPECT_EQ(back.state.last_reset->segments, 300u);
  EXPECT_EQ(back.extensions, root.extensions);
  root.state.mode_bits &= ~uint32_t{kCacheMode};
  EXPECT_TRUE(DecodeRoot(EncodeRoot(root, 1), 1, &back).IsCorruption());
  // Every shorter payload, with a good checksum.
  const size_t size = DecodeFixed16(&image[kPayloadSizeAt]);
  for (size_t cut = 0; cut < size - root.changes.size(); ++cut) {
    PageHeader header;
    header.page = 1;
    header.generation = 12;
    uint64_t checksum;
    const std::string shorter =
        EncodePage(header, Slice(image).substr(kHeaderBytes, cut), &checksum);
    EXPECT_TRUE(DecodeRoot(shorter, 1, &back).IsCorruption()) << cut;
  }
}

// Random batches against a map, with the promises of the tree checked after each.
class TreeFixture : public testing::Test {
 protected:
  void Apply(const std::map<FileNumber, std::string>& adds,
             const std::vector<FileNumber>& removes) {
    std::map<FileNumber, std::string> encoded;
    for (const FileNumber n : removes) encoded[n] = EncodeRemovedCell(n);
    for (const auto& [n, body] : adds) encoded[n] = EncodeInlineCell(n, body);
    std::vector<Cell> edits;
    for (const auto& [n, bytes] : encoded) {
      Slice rest = bytes;
      ASSERT_TRUE(GetCell(&rest, &edits.emplace_back()));
    }
    std::vector<uint32_t> replaced;
    const std::vector<uint32_t> before = Pages();
    tree_ = ApplyEdits(tree_, edits, &replaced);
    std::vector<PageImage> images;
    SealTree(
        tree_, ++generation_, [this] { return ++page_; }, &images);
    written_ = images.size();
    for (const FileNumber n : removes) model_.erase(n);
    for (const auto& [n, body] : adds) model_[n] = body;
    // Old pages are kept or replaced, new ones written: nothing leaks, nothing is freed twice.
    std::vector<uint32_t> expected = before;
    for (const uint32_t page : replaced) {
      const auto at = std::find(expected.begin(), expected.end(), page);
      ASSERT_NE(at, expected.end());
      expected.erase(at);
    }
    for (const PageImage& image : images) expected.push_back(image.page);
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(Pages(), expected);
  }
  std::vector<uint32_t> Pages() const {
    std::vector<uint32_t> pages;
    Walk(tree_.top, [&](const TreeNode& node) { pages.push_back(node.link.page); });
    std::sort(pages.begin(), pages.end());
    return pages;
  }
  template <typename F>
  static void Walk(const std::vector<TreeNodePtr>& nodes, const F& f) {
    for (const TreeNodePtr& node : nodes) {
      f(*node);
      Walk(node->children, f);
    }
  }
  void Check() {
    std::vector<Cell> cells;
    CollectCells(tree_, &cells);
    ASSERT_EQ(cells.size(), model_.size());
    auto it = model_.begin();
    for (const Cell& cell : cells) {
      ASSERT_EQ(cell.number, it->first);
      ASSERT_EQ(cell.body, it->second);
      Cell found;
      ASSERT_TRUE(FindCell(tree_, cell.number, &found));
      ASSERT_EQ(found.body, it->second);
      ++it;
    }
    Cell found;
    for (const FileNumber n : {FileNumber{0}, FileNumber{1} << 50}) {
      ASSERT_EQ(FindCell(tree_, n, &found), model_.contains(n));
    }
    ASSERT_LE(tree_.top.size(), kRootLinksMax);
    Walk(tree_.top, [](const TreeNode& node) {
      ASSERT_LE(node.cells.size(), kPayloadBytesMax);
      ASSERT_LE(node.children.size(), kInnerChildrenMax);
      ASSERT_TRUE(node.level == 0 ? !node.cells.empty() : !node.children.empty());
    });
  }
  // Bytes of leaves in use, over the leaves there are.
  double Fill() const {
    double bytes = 0, leaves = 0;
    Walk(tree_.top, [&](const TreeNode& node) {
      if (node.level > 0) return;
      ++leaves;
      bytes += node.cells.size();
    });
    return leaves == 0 ? 1 : bytes / leaves / kPayloadBytesMax;
  }

  Tree tree_;
  std::map<FileNumber, std::string> model_;
  uint64_t generation_ = 0;
  uint32_t page_ = 1;
  size_t written_ = 0;
};

class TreeTest : public TreeFixture, public testing::WithParamInterface<int> {};

TEST_P(TreeTest, AgreesWithAMapAndStaysBalanced) {
  Random random(GetParam());
  const size_t body_max = GetParam() % 2 == 0 ? 120 : kInlineBodyBytesMax;
  FileNumber next = 1;
  for (int step = 0; step < 400; ++step) {
    std::map<FileNumber, std::string> adds;
    std::vector<FileNumber> removes;
    const bool shrink = step / 100 % 2 == 1;
    for (uint64_t i = random.Uniform(shrink ? 10 : 60); i > 0; --i) {
      FileNumber n = next += 1 + random.Uniform(3);
      if (random.OneIn(10)) n = random.Uniform(next);  // in between, or replaced
      adds[n] = std::string(random.Uniform(body_max), 'x');
    }
    const uint64_t denominator = shrink ? 20 : 400;
    for (const auto& [n, body] : model_) {
      if (random.OneIn(denominator) && !adds.contains(n)) removes.push_back(n);
    }
    if (step % 50 == 49) {  // a stretch
      for (const auto& [n, body] : model_) {
        if (n > next / 3 && n < next / 2 && !adds.contains(n)) removes.push_back(n);
      }
      std::sort(removes.begin(), removes.end());
      removes.erase(std::unique(removes.begin(), removes.end()), removes.end());
    }
    ASSERT_NO_FATAL_FAILURE(Apply(adds, removes));
    if (step % 10 == 0) {
      ASSERT_NO_FATAL_FAILURE(Check());
    }
    if (Pages().size() > 4) {
      ASSERT_GT(Fill(), 0.3) << step;
    }
  }
  std::vector<FileNumber> all;
  for (const auto& [n, body] : model_) all.push_back(n);
  Apply({}, all);
  EXPECT_TRUE(tree_.top.empty());
  EXPECT_EQ(tree_.height(), 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, TreeTest, testing::Range(1, 7));

TEST_F(TreeFixture, AppendingFillsLeavesAndTouchesOnePath) {
  for (FileNumber n = 1; n <= 6000; ++n) {
    Apply({{n, std::string(80, 'x')}}, {});
    ASSERT_LE(written_, 5u);
  }
  EXPECT_GT(Fill(), 0.95);
  EXPECT_EQ(tree_.height(), 2);
  // And away from the other end, as expiry does.
  for (FileNumber n = 1; n <= 5990; ++n) Apply({}, {n});
  EXPECT_EQ(Pages().size(), 1u);
  Check();
}

TEST(ManifestFreePages, AgreesWithASet) {
  Random random(3);
  FreePages pages(2);
  std::set<uint32_t> free;
  std::vector<uint32_t> used;
  uint32_t end = 2;
  for (int i = 0; i < 20000; ++i) {
    if (random.Uniform(10) < (i / 2000 % 2 ? 3u : 7u)) {
      const uint32_t page = pages.Allocate();
      if (free.empty()) {
        EXPECT_EQ(page, end++);
      } else {
        EXPECT_EQ(page, *free.begin());
        free.erase(free.begin());
      }
      used.push_back(page);
    } else if (!used.empty()) {
      std::swap(used[random.Uniform(used.size())], used.back());
      pages.Free(used.back());
      free.insert(used.back());
      used.pop_back();
    }
    uint32_t tail = 0;
    while (free.contains(end - 1 - tail)) ++tail;
    ASSERT_EQ(pages.Tail(), tail);
    if (random.OneIn(20)) {
      const uint32_t cut = static_cast<uint32_t>(random.Uniform(tail + 1));
      pages.CutTail(cut);
      for (uint32_t k = 0; k < cut; ++k) free.erase(--end);
    }
    ASSERT_EQ(pages.count(), free.size());
    ASSERT_EQ(pages.end(), end);
  }
}

}  // namespace
}  // namespace varve::manifest
