#include "tools/crash/allocations.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "tests/support/ledger.h"
#include "tests/support/quiet_logger.h"
#include "tools/crash/child_process.h"
#include "tools/crash/db_reader.h"
#include "tools/crash/db_workload.h"
#include "tools/crash/failing_new.h"
#include "util/random.h"
#include "varve/db.h"

namespace varve::crash {
namespace {

constexpr uint32_t kBatches = 40;
constexpr int kKeys = 12;
constexpr uint64_t kCacheBytes = 64 << 20;  // nothing is evicted for want of room
constexpr int kChildSecondsMax = 20;

// What a child has done. Sequentially consistent: it is dead when the parent reads.
struct Shared {
  std::atomic<uint32_t> invoked, acknowledged;
  std::atomic<uint64_t> failed;  // allocations that were made to fail
  char wrong[400];               // "": nothing
};

Options OptionsFor(bool cache) {
  Options options = cache ? Options::ForCache(kCacheBytes) : Options();
  options.create_if_missing = true;
  options.memtable_bytes = size_t{64} << 10;
  options.segment_bytes = options.level_base_bytes = uint64_t{64} << 10;
  options.block_cache_bytes = size_t{1} << 20;
  options.level0_runs_trigger = 2;
  options.logger = std::make_shared<QuietLogger>();
  return options;
}

std::vector<Ledger::Op> BatchOf(uint32_t number) {
  Random random(number);
  std::vector<Ledger::Op> ops;
  for (uint64_t i = random.Between(1, 3); i > 0; --i) {
    std::string key = KeyOf(0, static_cast<int>(random.Uniform(kKeys)));
    if (random.OneIn(6)) {
      ops.push_back({std::move(key), std::nullopt});
      continue;
    }
    std::string value = MakeValue(key, 0, number, static_cast<uint32_t>(i), random.Uniform(4000));
    ops.push_back({std::move(key), std::move(value)});
  }
  return ops;
}

class Failer {
 public:
  explicit Failer(const AllocationOptions& options) : options_(options), start_(SecondsNow()) {}

  AllocationReport Go() {
    if (!shared_.ok()) {
      report_.violations.push_back(std::string("mmap: ") + std::strerror(errno));
      return report_;
    }
    path_ = options_.directory + "/allocations-" + std::to_string(getpid());
    for (uint64_t nth = options_.first; report_.violations.empty() && !report_.complete; ++nth) {
      uint64_t failed = 0;
      for (const bool cache : {false, true}) {
        for (const bool lasting : {false, true}) {
          if (report_.violations.empty()) failed += One(nth, cache, lasting);
        }
      }
      report_.allocations = nth;
      report_.complete = failed == 0;
      if (options_.progress) {
        std::fprintf(stderr, "\r\033[K%llu", static_cast<unsigned long long>(nth));
      }
      if (SecondsNow() - start_ > options_.seconds) break;
    }
    if (options_.progress) std::fprintf(stderr, "\r\033[K");
    report_.seconds = SecondsNow() - start_;
    return report_;
  }

 private:
  // Whether an allocation failed.
  bool One(uint64_t nth, bool cache, bool lasting) {
    shared_.Begin();
    std::fflush(nullptr);
    const pid_t pid = fork();
    if (pid < 0) {
      Violation(nth, cache, lasting, "fork failed");
      return false;
    }
    if (pid == 0) {
      alarm(kChildSecondsMax);
      // What it says of its end would fill the screen.
      if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(3);
      bool good = false;
      FailAllocation(nth, lasting);
      // Nobody is to catch what it throws, but of an open.
      [&]() noexcept { good = Live(cache, /*caught=*/!lasting); }();
      shared_->failed.store(AllocationsFailed());
      _exit(good ? 0 : 1);
    }
    const int status = AwaitEnd(pid);
    ++report_.runs;
    const bool aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    const bool failed = aborted || shared_->failed.load() > 0;
    const bool error = WIFEXITED(status) && WEXITSTATUS(status) == 1;
    report_.ended += aborted;
    report_.errors += error;
    report_.passed += WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (WIFSIGNALED(status) && !aborted) {
      Violation(nth, cache, lasting, std::string("the child died: ") + strsignal(WTERMSIG(status)));
    } else if (shared_->wrong[0] != '\0') {
      Violation(nth, cache, lasting, shared_->wrong);
    } else if (error && !failed) {
      Violation(nth, cache, lasting, "an error, and no allocation failed");
    }
    if (const std::string wrong = Check(cache); !wrong.empty()) {
      Violation(nth, cache, lasting, wrong);
      return failed;
    }
    if (report_.violations.empty()) DB::Destroy(OptionsFor(cache), path_).ok();
    return failed;
  }

  void Violation(uint64_t nth, bool cache, bool lasting, const std::string& what) {
    report_.violations.push_back("allocation " + std::to_string(nth) +
                                 (lasting ? " and all after it, in a " : " of a ") +
                                 (cache ? "cache" : "database") + " on " + path_ + ": " + what);
  }

  // Some programs catch what an open throws, and open once more, which then has to succeed: one
  // allocation fails alone. Where it is not caught the process ends at the throw.
  bool Open(bool cache, bool caught, std::unique_ptr<DB>* db) {
    if (!caught) return DB::Open(OptionsFor(cache), path_, db).ok();
    try {
      return DB::Open(OptionsFor(cache), path_, db).ok();
    } catch (const std::bad_alloc&) {
    }
    const Status again = DB::Open(OptionsFor(cache), path_, db);
    const std::string text = "an open after one that threw: " + again.ToString();
    if (!again.ok()) std::strncpy(shared_->wrong, text.c_str(), sizeof(shared_->wrong) - 1);
    return again.ok();
  }

  // In a child: two lives. False on an error.
  bool Live(bool cache, bool caught) {
    for (int life = 0; life < 2; ++life) {
      std::unique_ptr<DB> db;
      if (!Open(cache, caught, &db)) return false;
      const uint32_t last = kBatches / 2 * static_cast<uint32_t>(life + 1);
      for (uint32_t number = shared_->invoked.load() + 1; number <= last; ++number) {
        const std::vector<Ledger::Op> ops = BatchOf(number);
        WriteBatch write;
        for (const Ledger::Op& op : ops) {
          (op.value.has_value() ? write.Put(op.key, *op.value) : write.Delete(op.key)).ok();
        }
        shared_->invoked.store(number);
        if (!db->Write({.sync = number % 8 == 0}, write).ok()) return false;
        shared_->acknowledged.store(number);
        if (number % 6 == 0 && !db->Flush().ok()) return false;
        Ledger::State found;
        if (number % 10 == 0 && !ReadRange(db.get(), nullptr, "", "\xff", &found).empty()) {
          return false;
        }
      }
      if (!db->Close().ok()) return false;
    }
    return true;
  }

  // "" or what is wrong with what the child left.
  std::string Check(bool cache) {
    Ledger ledger(1);
    for (uint32_t number = 1; number <= shared_->invoked.load(); ++number) {
      const Ledger::BatchNumber batch = ledger.Begin(0, BatchOf(number), true, 1);
      if (number <= shared_->acknowledged.load()) ledger.Acknowledge(0, batch, true, 1);
    }
    std::unique_ptr<DB> db;
    if (Status s = DB::Open(OptionsFor(cache), path_, &db); !s.ok()) return "open: " + s.ToString();
    Ledger::State found;
    std::string wrong = ReadEverything(db.get(), ledger.Keys(), &found);
    std::vector<uint64_t> hashes(1, 0);
    if (wrong.empty()) hashes = HashesOf(found, 1, &wrong);
    if (wrong.empty()) {
      if (Status s = db->Close(); !s.ok()) wrong = "close: " + s.ToString();
    }
    if (!wrong.empty()) return wrong;
    const Ledger::Bounds bounds = ledger.At(1, /*kill=*/true);
    if (ledger.Judge(hashes, 1, bounds).legal) return "";
    return "no legal prefix\n" + ledger.Explain(found, 1, bounds);
  }

  const AllocationOptions& options_;
  const double start_;
  SharedWithChildren<Shared> shared_;
  std::string path_;
  AllocationReport report_;
};

}  // namespace

AllocationReport FailAllAllocations(const AllocationOptions& options) {
  return Failer(options).Go();
}

}  // namespace varve::crash
