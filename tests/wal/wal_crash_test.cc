#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/baton_scheduler.h"
#include "tests/support/sim_disk.h"
#include "tests/support/sim_env.h"
#include "tests/support/sim_file_system.h"
#include "tests/wal/wal_test_util.h"
#include "util/random.h"
#include "util/thread.h"
#include "wal/log_format.h"
#include "wal/replay.h"
#include "wal/wal.h"

// Runs a log on a simulated disk, on one interleaving a seed, and cuts it off at its boundaries: by
// the death of the process, and by power losses that lose, tear and reorder what was not synced.
// What replay then finds must be a prefix of what was appended, with everything in it that was
// known durable (after a kill: everything appended), and it must never refuse (Checklist W1 W8 W16
// W17, RULES R5.1 to R5.3, R5.5). What db/ does around it is played by an oracle: the lowest log
// that is needed moves up once the logs below it are durable, before they are released.

namespace varve {
namespace {

constexpr char kDirectory[] = "/db";

class Run {
 public:
  struct Plan {
    uint64_t seed = 1;
    bool faults = false;
  };

  explicit Run(const Plan& plan)
      : plan_(plan), random_(plan.seed), scheduler_({.seed = plan.seed}) {}

  void Execute() {
    SimOptions options;
    options.seed = plan_.seed;
    options.record = true;
    options.mapped_logs = random_.Uniform(2) == 0;
    fs_ = SimFileSystem::New(options);
    ASSERT_TRUE(fs_->CreateDirectory(kDirectory).ok());
    ASSERT_TRUE(fs_->SyncDirectory("/").ok());
    begin_ = fs_->op_count();
    scheduler_.Run([this] { Body(); });
  }

  // Checks `images` crashes; returns how many replays were cut.
  int Examine(int images) {
    const SimHistory& history = fs_->history();
    while (failed_sync_ < history.ops.size() && history.ops[failed_sync_].ok) ++failed_sync_;
    std::vector<size_t> boundaries;
    for (int i = 0; i < images; ++i) {
      boundaries.push_back(random_.Between(begin_, history.ops.size()));
    }
    std::sort(boundaries.begin(), boundaries.end());
    SimReplay replay(&history);
    int cut = 0;
    for (size_t boundary : boundaries) {
      replay.AdvanceTo(boundary);
      SimDisk disk = replay.disk();
      // The next write may be there in part.
      if (boundary < history.ops.size() && history.ops[boundary].kind == SimOpKind::kWrite &&
          random_.Uniform(3) == 0) {
        disk.ApplyTorn(history.ops[boundary], random_.Next());
      }
      cut += Check(disk.Kill(), boundary, /*kill=*/true, "kill");
      for (const SimLoss& loss : {SimLoss::DropAll(), SimLoss::KeepAll(),
                                  SimLoss::Random(random_.Next()), SimLoss::Random(random_.Next()),
                                  SimLoss::AllBut(random_.Uniform(disk.PendingCount() + 1))}) {
        cut += Check(disk.PowerLoss(loss), boundary, /*kill=*/false, loss.ToString());
        if (::testing::Test::HasFailure()) return cut;
      }
    }
    return cut;
  }

  size_t logs() const { return logs_; }

 private:
  struct Record {
    std::string payload;
    LogPosition end;
    uint64_t acknowledged;  // boundary from which it was
  };
  struct Durable {
    uint64_t boundary;
    LogPosition upto;
  };
  struct Lowest {
    uint64_t boundary;
    FileNumber number;
  };

  void Body() {
    WalOptions options;
    options.env = {fs_, scheduler_.clock(), std::make_shared<SimMachine>(plan_.seed)};
    options.directory = kDirectory;
    options.log_bytes = 5 * wal::kBlockBytes + random_.Uniform(3) * wal::kBlockBytes;
    options.recycled_files_max = random_.Uniform(3);
    options.mapped = random_.Uniform(2) == 0;
    options.sync_wait_ms_max = random_.Uniform(3) == 0 ? 600000 : 0;
    ASSERT_TRUE(Wal::Create(options, &wal_).ok());
    if (!Switch(0)) return;
    if (plan_.faults) {
      fs_->InjectFault({.calls = kSimChanges, .nth = 1 + random_.Uniform(150)});
    }

    // The draws of each thread are its own, or they would depend on the interleaving.
    std::vector<Thread> threads;
    for (uint64_t i = 0; i < 2; ++i) {
      threads.emplace_back("sync", [this, i] {
        Random random(plan_.seed * 10 + i);
        while (!done_.load()) {
          SyncTo(wal_->end());
          SleepFor(random.Uniform(80000));
        }
      });
    }
    const uint64_t appends = 10 + random_.Uniform(60);
    for (uint64_t i = 0; i < appends && wal_->latched().ok(); ++i) {
      const uint64_t size = random_.Uniform(6) == 0 ? random_.Uniform(9000) : random_.Uniform(300);
      if (!wal_->Fits(size) || random_.Uniform(25) == 0) {
        if (!Switch(size)) continue;
      }
      const std::string payload = Bytes(size, plan_.seed * 1000 + i);
      // In parts, as a commit group has them.
      const Slice whole = payload;
      const size_t middle = random_.Uniform(size + 1);
      const Slice parts[] = {whole.substr(0, middle), whole.substr(middle)};
      LogPosition end;
      const Status status = wal_->Append(parts, &end);
      if (status.ok()) {
        records_.push_back({payload, end, fs_->op_count()});
      } else {
        // It may be found, whole, and nothing after it.
        failed_ = payload;
      }
      if (random_.Uniform(8) == 0) SyncTo(wal_->end());
      if (random_.Uniform(10) == 0) Release();
      if (random_.Uniform(4) == 0) SleepFor(random_.Uniform(60000));
    }
    done_ = true;
    threads.clear();
    wal_.reset();
  }

  bool Switch(uint64_t size) {
    std::unique_ptr<PreparedLog> log;
    if (!wal_->Prepare(++number_, size, &log).ok()) return false;
    ++logs_;
    return wal_->Use(std::move(log)).ok();
  }

  void SyncTo(LogPosition upto) {
    // The baton is never passed between the two: what happened to the disk meanwhile is later.
    if (wal_->Sync(upto).ok()) durable_.push_back({fs_->op_count(), upto});
  }

  // Releases what is durable: the manifest says so first.
  void Release() {
    const FileNumber lowest = wal_->durable().log;
    lowest_.push_back({fs_->op_count(), lowest});
    (void)wal_->Retire(lowest);
  }

  // Returns whether the replay was cut.
  bool Check(SimDisk disk, uint64_t boundary, bool kill, const std::string& how) {
    LogPosition durable;
    for (const Durable& d : durable_) {
      if (d.boundary <= boundary) durable = std::max(durable, d.upto);
    }
    FileNumber lowest = 0;
    for (const Lowest& l : lowest_) {
      if (l.boundary <= boundary) lowest = std::max(lowest, l.number);
    }
    size_t first = 0, must = 0;
    while (first < records_.size() && records_[first].end.log < lowest) ++first;
    for (size_t i = 0; i < records_.size(); ++i) {
      // A failed sync may take from the cache what it should have written.
      const bool cached = kill && boundary <= failed_sync_;
      if (records_[i].end <= durable || (cached && records_[i].acknowledged <= boundary)) {
        must = i + 1;
      }
    }

    SimOptions options;
    options.track = false;
    auto fs = SimFileSystem::New(options, std::move(disk));
    ReplayOptions replaying;
    replaying.file_system = fs.get();
    replaying.directory = kDirectory;
    replaying.lowest_needed = lowest;
    // A manifest root may know of it, or not.
    if (random_.Uniform(2) == 0) replaying.known_durable = durable;
    CollectingSink sink;
    ReplayResult result;
    const Status status = ReplayLogs(replaying, &sink, &result);
    const std::string where = "seed " + std::to_string(plan_.seed) + ", boundary " +
                              std::to_string(boundary) + ", " + how;
    EXPECT_TRUE(status.ok()) << where << ": " << status.ToString();
    const size_t count = sink.payloads.size();
    EXPECT_GE(first + count, must) << where << ": lost; durable to " << durable.ToString();
    for (size_t i = 0; i < count; ++i) {
      const std::string& expected =
          first + i < records_.size() ? records_[first + i].payload : failed_;
      EXPECT_TRUE(first + i <= records_.size() && sink.payloads[i] == expected)
          << where << ": record " << i << " is another";
    }
    return result.cut;
  }

  const Plan plan_;
  Random random_;
  BatonScheduler scheduler_;
  std::shared_ptr<SimFileSystem> fs_;
  std::unique_ptr<Wal> wal_;
  FileNumber number_ = 0;
  size_t logs_ = 0;
  size_t failed_sync_ = 0;  // boundary before it
  uint64_t begin_ = 0;      // the first boundary with a directory
  std::atomic<bool> done_{false};
  // Written by tasks of the scheduler, one at a time.
  std::vector<Record> records_;
  std::string failed_;
  std::vector<Durable> durable_;
  std::vector<Lowest> lowest_;
};

void RunSeeds(uint64_t first, uint64_t count, bool faults) {
  int cut = 0;
  size_t logs = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Run run({.seed = seed, .faults = faults});
    run.Execute();
    cut += run.Examine(40);
    logs += run.logs();
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(cut, 0) << "no crash tore anything";
  EXPECT_GT(logs, 3 * count);
}

TEST(WalCrashTest, FindsAPrefixAfterEveryCrash) { RunSeeds(1, 40, /*faults=*/false); }

TEST(WalCrashTest, FindsAPrefixAfterErrorsAndCrashes) { RunSeeds(1000, 40, /*faults=*/true); }

}  // namespace
}  // namespace varve
