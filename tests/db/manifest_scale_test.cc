#include <algorithm>
#include <chrono>

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

  // Each commit adds a segment and, with `merges`, removes one of any age.
  Cost Run(int commits, bool merges, uint64_t seed) {
    Random random(seed);
    std::vector<double> micros;
    Cost cost;
    const ManifestStats start = manifest_->stats();
    for (int i = 0; i < commits; ++i) {
      ManifestEdit edit;
      edit.added.push_back(UsualEntry(NewNumber()));
      if (merges) {
        std::swap(live_[random.Uniform(live_.size() - 1)], live_.back());
        edit.removed.push_back(live_.back());
        live_.pop_back();
        if (edit.removed[0] == edit.added[0].number) edit.removed.clear();
      }
      const uint64_t before = manifest_->stats().pages_written;
      const auto begin = std::chrono::steady_clock::now();
      Status s = manifest_->Commit(edit);
      micros.push_back(MicrosSince(begin));
      EXPECT_TRUE(s.ok()) << s.ToString();
      cost.pages_max = std::max(cost.pages_max, manifest_->stats().pages_written - before);
    }
    const ManifestStats end = manifest_->stats();
    cost.pages = static_cast<double>(end.pages_written - start.pages_written) / commits;
    cost.syncs = static_cast<double>(end.syncs - start.syncs) / commits;
    for (const double m : micros) cost.micros_mean += m / commits;
    std::nth_element(micros.begin(), micros.begin() + commits / 2, micros.end());
    cost.micros_median = micros[commits / 2];
    return cost;
  }

  double OpenMicros(size_t segments) {
    manifest_.reset();
    double best = 1e12;
    for (int i = 0; i < 5; ++i) {
      ManifestState state;
      const auto begin = std::chrono::steady_clock::now();
      Status s = Manifest::Open(options_, directory_, &state, &manifest_);
      best = std::min(best, MicrosSince(begin));
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
};

TEST(ManifestScale, ACommitCostsTheSameAtEverySize) {
  TempDir temp;
  const std::shared_ptr<FileSystem> fs = Env::Default().file_system;
  std::printf("%9s %8s | %12s %12s %12s %12s %12s\n", "segments", "commits", "pages/commit",
              "pages max", "syncs/commit", "µs median", "µs mean");
  for (const bool merges : {false, true}) {
    for (const int segments : {10, 1000, 100000}) {
      const std::string directory = temp.File(std::to_string(segments) + (merges ? "m" : "a"));
      ASSERT_TRUE(fs->CreateDirectory(directory).ok());
      Database database(fs, directory, segments);
      const Cost cost = database.Run(300, merges, 7);
      std::printf("%9d %8s | %12.2f %12llu %12.2f %12.1f %12.1f\n", segments,
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
  // With nothing else to merge: its leaf, one inner page, the root.
  uint64_t least = 1000, most = 0;
  for (int i = 0; i < 200; ++i) {
    const Cost cost = database.Run(1, /*merges=*/false, i);
    least = std::min(least, cost.pages_max);
    most = std::max(most, cost.pages_max);
  }
  EXPECT_EQ(least, 1u);
  EXPECT_LE(most, 5u);  // two leaves where one is full, two inner pages likewise
}

TEST(ManifestScale, OpensAHundredThousandSegments) {
  TempDir temp;
  Database database(Env::Default().file_system, temp.path(), 100000);
  const double micros = database.OpenMicros(database.live());
  std::printf("opening 100,000 segments: %.1f ms\n", micros / 1000);
#if defined(NDEBUG) && defined(__OPTIMIZE__)
  EXPECT_LT(micros, 300000);
#endif
}

}  // namespace
}  // namespace varve
