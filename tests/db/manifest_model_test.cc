#include <algorithm>

#include "tests/db/manifest_fixture.h"
#include "util/coding.h"

// Random edits, seals, openings and closes against an ordered map; the older root is tried after
// every commit.

namespace varve {
namespace {

class ManifestModelTest : public ManifestTest, public testing::WithParamInterface<uint64_t> {
 protected:
  // Checklist N8: what the manifest says once the newest root is destroyed.
  EntryMap WithoutNewestRoot() {
    auto copy = SimFileSystem::New({}, fs_->disk());
    const std::string bytes = copy->ReadAll(path());
    const bool second = DecodeFixed64(&bytes[16]) < DecodeFixed64(&bytes[4096 + 16]);
    copy->Damage(path(), (second ? 4096 : 0) + 64, "destroyed");
    ManifestState state;
    std::unique_ptr<Manifest> manifest;
    Status s = Manifest::Open(ManifestTestOptions(copy, 1), kManifestTestDir, &state, &manifest);
    EXPECT_TRUE(s.ok()) << s.ToString();
    EXPECT_EQ(state.valid_roots, 1);
    return ToMap(state.segments);
  }
};

TEST_P(ManifestModelTest, AgreesWithAMap) {
  const uint64_t seed = GetParam();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  Create();
  EntryMap model, before;
  std::vector<NumberedFile> expected_released;  // by the next commit
  uint64_t evictions = 0;
  const size_t population = seed % 3 == 0 ? 40 : seed % 3 == 1 ? 400 : 3000;
  const size_t key_bytes_max = seed % 2 == 0 ? 40 : 700;
  for (int step = 0; step < 1500; ++step) {
    ManifestEdit edit;
    std::vector<NumberedFile> dropped;
    // Towards the population, beyond it, and back again.
    const bool grow = model.size() < population * (1 + step / 300 % 2) / 2;
    const uint64_t adds = random.Uniform(grow ? 8 : 2), removes = random.Uniform(grow ? 2 : 8);
    for (uint64_t i = 0; i < adds; ++i) {
      const size_t key_bytes = random.OneIn(60) ? 9000 : random.Uniform(key_bytes_max);
      const SegmentEntry entry = MakeEntry(NewNumber(), key_bytes);
      edit.added.push_back(random.OneIn(2) ? WithGhostFile(entry) : entry);
    }
    // Old ones, new ones, neighbours: like expiry, like a merge of fresh runs, like leveling.
    const uint64_t pattern = random.Uniform(3);
    auto it = model.begin();
    if (pattern == 1 && model.size() > removes) it = std::prev(model.end(), removes);
    if (pattern == 2 && !model.empty()) std::advance(it, random.Uniform(model.size()));
    for (uint64_t i = 0; i < removes && it != model.end(); ++i, ++it) {
      const auto& [number, entry] = *it;
      edit.removed.push_back(number);
      if (random.OneIn(4)) {  // replaced
        if (random.OneIn(2) || !HasGhostFile(entry)) {
          edit.added.push_back(entry);
          ++edit.added.back().level;
        } else if (IsGhost(entry)) {
          edit.added.push_back(WithoutGhostFile(entry));
          dropped.push_back(GhostOf(number));
        } else {
          edit.added.push_back(Evicted(entry, ++evictions));
          dropped.push_back(SegmentOf(number));
        }
        continue;
      }
      if (!IsGhost(entry)) dropped.push_back(SegmentOf(number));
      if (HasGhostFile(entry)) dropped.push_back(GhostOf(number));
    }
    before = model;
    for (const FileNumber number : edit.removed) model.erase(number);
    for (const SegmentEntry& e : edit.added) model[e.number] = e;
    const uint64_t commits = manifest_->stats().commits;
    ASSERT_TRUE(manifest_->Commit(edit).ok());
    // Released now: what the commit before removed. (NewNumber may have committed in between.)
    std::vector<NumberedFile> released = manifest_->TakeReleased();
    std::sort(released.begin(), released.end());
    std::sort(expected_released.begin(), expected_released.end());
    ASSERT_EQ(released, expected_released);
    expected_released = dropped;
    ASSERT_EQ(manifest_->stats().commits, commits + 1);
    ASSERT_EQ(manifest_->stats().segments, model.size());
    if (step % 20 == 0) {
      ASSERT_EQ(Inspected(), model) << "step " << step;
      ASSERT_EQ(WithoutNewestRoot(), before) << "step " << step;
    }
    if (random.OneIn(100)) {
      for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(manifest_->Seal().ok());
        ASSERT_EQ(WithoutNewestRoot(), model) << "step " << step;
      }
      released = manifest_->TakeReleased();
      ASSERT_EQ(released.size(), expected_released.size());
      expected_released.clear();
    }
    if (random.OneIn(150)) {
      if (random.OneIn(2)) {
        ManifestEdit last;
        last.next_sequence = manifest_->sequence_limit();
        ASSERT_TRUE(manifest_->Close(last).ok());
      }
      Open();
      ASSERT_EQ(ToMap(state_.segments), model) << "step " << step;
      expected_released.clear();  // the database finds them by listing the directory
    }
  }
  // Nothing leaks: what the file holds is what an opening finds reachable.
  ASSERT_TRUE(manifest_->Seal().ok());
  ASSERT_TRUE(manifest_->Seal().ok());
  const ManifestStats stats = manifest_->stats();
  Open();
  EXPECT_EQ(ToMap(state_.segments), model);
  EXPECT_GT(evictions, 20u);
  EXPECT_EQ(manifest_->stats().file_pages - manifest_->stats().free_pages,
            stats.file_pages - stats.free_pages);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ManifestModelTest, testing::Range(uint64_t{1}, uint64_t{7}));

}  // namespace
}  // namespace varve
