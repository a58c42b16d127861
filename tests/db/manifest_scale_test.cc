#include <algorithm>
#include <chrono>
#include <ctime>

#include "tests/db/manifest_fixture.h"
#include "tests/support/temp_dir.h"

// What a commit and an opening cost at 10, 1,000 and 100,000 segments. Work is counted, so that the
// test does not depend on the machine; times on the real file system are printed.

namespace varve {
namespace {

double MicrosSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
      .count();
}

// Keys as a database of 16-byte keys has them.
SegmentEntry UsualEntry(FileNumber number) { return MakeEntry(number, 16); }

struct Cost {
  double pages = 0, syncs = 0;  // a commit
  uint64_t pages_max = 0;       // of one commit
  double micros_median = 0, micros_mean = 0;
};

class Database {
 public:
  Database(std::shared_ptr<FileSystem> fs, const std::string& directory, int segments) {
    options_ = ManifestTestOptions(std::move(fs), 1);
    options_.file_numbers_ahead = 1 << 20;
    directory_ = directory;
    EXPECT_TRUE(Manifest::Create(options_, directory, &manifest_).ok());
    ManifestEdit edit;
    for (int i = 0; i < segments; ++i) edit.added.push_back(UsualEntry(NewNumber()));
    Status s = manifest_->Commit(edit);
    EXPECT_TRUE(s.ok()) << s.ToString();
    EXPECT_TRUE(manifest_->Seal().ok());
  }

  FileNumber NewNumber() {
    FileNumber number = 0;
    EXPECT_TRUE(manifest_->NewFileNumber(&number).ok());
    live_.push_back(number);
    return number;
  }

  // One commit that adds a segment and, with `merges`, removes one of any age.
  void RunOne(bool merges, Random* random) {
    ManifestEdit edit;
    edit.added.push_back(UsualEntry(NewNumber()));
    if (merges) {
      std::swap(live_[random->Uniform(live_.size() - 1)], live_.back());
      edit.removed.push_back(live_.back());
      live_.pop_back();
    }
    const ManifestStats before = manifest_->stats();
    const auto begin = std::chrono::steady_clock::now();
    Status s = manifest_->Commit(edit);
    micros_.push_back(MicrosSince(begin));
    EXPECT_TRUE(s.ok()) << s.ToString();
    pages_.push_back(manifest_->stats().pages_written - before.pages_written);
    syncs_ += manifest_->stats().syncs - before.syncs;
  }

  // Of the commits since the last call.
  Cost TakeCost() {
    Cost cost;
    const size_t commits = micros_.size();
    for (size_t i = 0; i < commits; ++i) {
      cost.pages += static_cast<double>(pages_[i]) / commits;
      cost.micros_mean += micros_[i] / commits;
      cost.pages_max = std::max(cost.pages_max, pages_[i]);
    }
    cost.syncs = static_cast<double>(syncs_) / commits;
    std::nth_element(micros_.begin(), micros_.begin() + commits / 2, micros_.end());
    cost.micros_median = micros_[commits / 2];
    micros_.clear();
    pages_.clear();
    syncs_ = 0;
    return cost;
  }

  // Time that passed, and of this process's on a processor: the best of five.
  struct OpenCost {
    double micros = 1e12, cpu_micros = 1e12;
  };
  OpenCost MeasureOpening(size_t segments) {
    manifest_.reset();
    OpenCost best;
    for (int i = 0; i < 5; ++i) {
      ManifestState state;
      const auto begin = std::chrono::steady_clock::now();
      const std::clock_t cpu_begin = std::clock();
      Status s = Manifest::Open(options_, directory_, &state, &manifest_);
      best.micros = std::min(best.micros, MicrosSince(begin));
      best.cpu_micros =
          std::min(best.cpu_micros, 1e6 * (std::clock() - cpu_begin) / CLOCKS_PER_SEC);
      EXPECT_TRUE(s.ok()) << s.ToString();
      EXPECT_EQ(state.segments.size(), segments);
      manifest_.reset();
    }
    return best;
  }
  size_t live() const { return live_.size(); }

 private:
  ManifestOptions options_;
  std::string directory_;
  std::unique_ptr<Manifest> manifest_;
  std::vector<FileNumber> live_;
  std::vector<double> micros_;
  std::vector<uint64_t> pages_;
  uint64_t syncs_ = 0;
};

TEST(ManifestScale, ACommitCostsTheSameAtEverySize) {
  constexpr int kSizes[] = {10, 1000, 100000};
  TempDir temp;
  const std::shared_ptr<FileSystem> fs = Env::Default().file_system;
  std::vector<std::unique_ptr<Database>> databases;
  for (const int segments : kSizes) {
    const std::string directory = temp.File(std::to_string(segments));
    ASSERT_TRUE(fs->CreateDirectory(directory).ok());
    databases.push_back(std::make_unique<Database>(fs, directory, segments));
  }
  std::printf("%9s %8s | %12s %9s %12s %10s %10s\n", "segments", "commits", "pages/commit",
              "pages max", "syncs/commit", "us median", "us mean");
  for (const bool merges : {false, true}) {
    // In turn, so that all see the same disk.
    Random random(7);
    for (int i = 0; i < 150; ++i) {
      for (auto& database : databases) database->RunOne(merges, &random);
    }
    for (size_t i = 0; i < databases.size(); ++i) {
      const Cost cost = databases[i]->TakeCost();
      std::printf("%9d %8s | %12.2f %9llu %12.2f %10.1f %10.1f\n", kSizes[i],
                  merges ? "add+drop" : "add", cost.pages,
                  static_cast<unsigned long long>(cost.pages_max), cost.syncs, cost.micros_median,
                  cost.micros_mean);
      // The root each time; every 25th time or so leaves, and the inner pages above them.
      EXPECT_LT(cost.syncs, 1.1);
      EXPECT_LT(cost.pages, merges ? 3.5 : 1.3);
      // 64 changes at most touch a leaf each, and no more inner pages than there are.
      EXPECT_LT(cost.pages_max, 64u + 25 + 4);
    }
  }
}

TEST(ManifestScale, OneSegmentRewritesOnePath) {
  auto fs = SimFileSystem::New();
  ASSERT_TRUE(fs->CreateDirectory("/db").ok());
  Database database(fs, "/db", 100000);
  uint64_t least = 1000, most = 0;
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    database.RunOne(/*merges=*/false, &random);
    const Cost cost = database.TakeCost();
    least = std::min(least, cost.pages_max);
    most = std::max(most, cost.pages_max);
  }
  EXPECT_EQ(least, 1u);
  EXPECT_LE(most, 5u);  // two leaves where one is full, two inner pages likewise
}

TEST(ManifestScale, OpensAHundredThousandSegments) {
  TempDir temp;
  Database database(Env::Default().file_system, temp.path(), 100000);
  const Database::OpenCost cost = database.MeasureOpening(database.live());
  std::printf("opening 100,000 segments: %.1f ms, %.1f ms of them on a processor\n",
              cost.micros / 1000, cost.cpu_micros / 1000);
#if defined(NDEBUG) && defined(__OPTIMIZE__)
  EXPECT_LT(cost.cpu_micros, 300000);  // not of the clock's, which others that run here hold up
#endif
}

}  // namespace
}  // namespace varve
