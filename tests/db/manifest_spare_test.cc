// A manifest with spare pages commits on a disk that has no room left (RULES R6.3).

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "db/manifest.h"
#include "tests/db/manifest_fixture.h"

namespace varve {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kDisk = 400 * kPage;

class ManifestSpareTest : public testing::Test {
 protected:
  ManifestSpareTest() : fs_(SimFileSystem::New({.capacity_bytes = kDisk})) {}
  ManifestOptions Options(uint32_t spare) {
    ManifestOptions options = ManifestTestOptions(fs_, ++opened_);
    options.spare_pages = spare;
    options.file_numbers_ahead = 1 << 20;
    return options;
  }
  void SetUp() override { ASSERT_TRUE(fs_->CreateDirectory(kManifestTestDir).ok()); }
  // Takes all the room there is.
  void Fill() {
    std::unique_ptr<WritableFile> filler;
    ASSERT_TRUE(fs_->NewWritableFile("/filler", 0, &filler).ok());
    while (filler->Append(std::string(kPage, 'x')).ok()) {
    }
  }
  Status AddSome(int n, std::vector<FileNumber>* numbers) {
    for (int i = 0; i < n; ++i) {
      ManifestEdit edit;
      FileNumber number = 0;
      Status status = manifest_->NewFileNumber(&number);
      edit.added.push_back(MakeEntry(number, 40));
      edit.added.back().extensions.clear();  // they are not what this is about
      if (status.ok()) status = manifest_->Commit(edit);
      if (!status.ok()) return status;
      numbers->push_back(number);
    }
    return Status::OK();
  }

  std::shared_ptr<SimFileSystem> fs_;
  std::unique_ptr<Manifest> manifest_;
  uint64_t opened_ = 0;
};

TEST_F(ManifestSpareTest, CommitsGoThroughWithoutRoom) {
  ASSERT_TRUE(Manifest::Create(Options(16), kManifestTestDir, &manifest_).ok());
  std::vector<FileNumber> numbers;
  const Status added = AddSome(100, &numbers);
  ASSERT_TRUE(added.ok()) << added.ToString();
  EXPECT_GE(manifest_->stats().free_pages + manifest_->stats().waiting_pages, 32u);
  Fill();
  // Every one of them goes, and some come: what a cache does for room.
  for (size_t i = 0; i < numbers.size(); i += 5) {
    ManifestEdit edit;
    for (size_t j = i; j < i + 5; ++j) edit.removed.push_back(numbers[j]);
    FileNumber number;
    ASSERT_TRUE(manifest_->NewFileNumber(&number).ok());
    edit.added.push_back(MakeEntry(number, 40));
    edit.added.back().extensions.clear();
    const Status status = manifest_->Commit(edit);
    ASSERT_TRUE(status.ok()) << i << ": " << status.ToString();
    ASSERT_TRUE(manifest_->Seal().ok());
    EXPECT_EQ(manifest_->TakeReleased().size(), 5u);
  }
  ASSERT_TRUE(manifest_->poisoned().ok());
  EXPECT_EQ(manifest_->stats().segments, 20u);
  ManifestState state;
  manifest_.reset();
  ASSERT_TRUE(Manifest::Open(Options(16), kManifestTestDir, &state, &manifest_).ok());
  EXPECT_EQ(state.segments.size(), 20u);
}

// The same without them: the disk is full and stays so. (A planted mistake.)
TEST_F(ManifestSpareTest, WithoutSparePagesTheyDoNot) {
  ASSERT_TRUE(Manifest::Create(Options(0), kManifestTestDir, &manifest_).ok());
  std::vector<FileNumber> numbers;
  const Status added = AddSome(100, &numbers);
  ASSERT_TRUE(added.ok()) << added.ToString();
  Fill();
  Status status;
  for (size_t i = 0; status.ok() && i < numbers.size(); ++i) {
    ManifestEdit edit;
    edit.removed.push_back(numbers[i]);
    status = manifest_->Commit(edit);
  }
  EXPECT_TRUE(status.IsNoSpace()) << status.ToString();
}

TEST_F(ManifestSpareTest, SparePagesAreNoWasteAndNotCutOff) {
  ASSERT_TRUE(Manifest::Create(Options(40), kManifestTestDir, &manifest_).ok());
  EXPECT_GE(manifest_->stats().file_pages, 82u);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(manifest_->Seal().ok());
  EXPECT_EQ(manifest_->stats().rewrites, 0u);
  EXPECT_EQ(manifest_->stats().tail_pages, 0u);
  EXPECT_GE(manifest_->stats().free_pages, 80u);
  ManifestState state;
  manifest_.reset();
  ASSERT_TRUE(Manifest::Open(Options(40), kManifestTestDir, &state, &manifest_).ok());
  EXPECT_GE(manifest_->stats().free_pages, 80u);
  EXPECT_EQ(manifest_->stats().pages_written, 2u);  // there were enough
}

// What could not be written is tried again.
TEST_F(ManifestSpareTest, SparePagesComeWhenThereIsRoom) {
  ASSERT_TRUE(Manifest::Create(Options(0), kManifestTestDir, &manifest_).ok());
  manifest_.reset();
  Fill();
  ManifestState state;
  ASSERT_TRUE(Manifest::Open(Options(16), kManifestTestDir, &state, &manifest_).ok());
  EXPECT_LT(manifest_->stats().free_pages, 32u);
  ASSERT_TRUE(fs_->RemoveFile("/filler").ok());
  ASSERT_TRUE(manifest_->Seal().ok());
  EXPECT_GE(manifest_->stats().free_pages, 32u);
}

}  // namespace
}  // namespace varve
