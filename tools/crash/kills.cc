#include "tools/crash/kills.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "tools/crash/child_process.h"
#include "tools/crash/failing_new.h"
#include "tools/crash/kill_subject.h"
#include "tools/crash/system_calls.h"
#include "util/hash.h"
#include "util/mutex.h"
#include "util/random.h"

namespace varve::crash {
namespace {

constexpr double kOpenSecondsMax = 20;

// How a child fares. Sequentially consistent: it is dead when the parent reads.
struct Shared {
  std::atomic<bool> opened;
  std::atomic<bool> failed;
  std::atomic<uint64_t> allocations_failed, calls_failed;  // by then
  FailedCalls round;                                       // of all its children
  char error[400];
};

class Killer {
 public:
  explicit Killer(const KillOptions& options)
      : options_(options),
        subject_(options.cache ? NewCacheKillSubject() : NewDbKillSubject()),
        random_(options.seed),
        start_(SecondsNow()) {}

  KillReport Go() {
    if (!shared_.ok() || !subject_->ok()) {
      report_.violations.push_back(std::string("mmap: ") + std::strerror(errno));
      return report_;
    }
    for (uint64_t i = 0; report_.kills < options_.kills && report_.violations.empty() &&
                         SecondsNow() - start_ < options_.seconds;
         ++i) {
      if (i % 50 == 0) NewDatabase(i);
      One(Mix64(options_.seed + i));
      if (options_.progress) {
        std::fprintf(stderr, "\r\033[K%llu kills", static_cast<unsigned long long>(report_.kills));
      }
    }
    Remove();
    if (options_.progress) std::fprintf(stderr, "\r\033[K");
    report_.seconds = SecondsNow() - start_;
    return report_;
  }

 private:
  void NewDatabase(uint64_t number) {
    Remove();
    path_ = options_.directory + "/kill-" + std::to_string(getpid()) + "-" + std::to_string(number);
    subject_->NewDirectory(path_, Mix64(options_.seed) + number);
  }
  void Remove() {
    if (!path_.empty()) DB::Destroy(Options(), path_).ok();
  }

  void Violation(uint64_t seed, const std::string& what) {
    report_.violations.push_back("round " + std::to_string(seed) + " on " + path_ + ": " + what);
    path_.clear();  // it stays, to be looked at
  }

  // One child that writes, perhaps some that only open, and the check.
  void One(uint64_t seed) {
    subject_->BeginRound(seed);
    shared_.Begin();
    // Mostly in its work; now and then while it still recovers. How long that takes depends on the
    // machine, so it is measured.
    const bool early = random_.OneIn(5);
    const uint64_t micros = random_.Uniform(early ? open_micros_ + 1 : options_.run_micros_max);
    if (!RunAndKill(/*when_open=*/!early, micros, [&] { Write(); })) {
      return Violation(seed, "fork failed");
    }
    ++report_.kills;
    if (shared_->failed.load()) return Violation(seed, shared_->error);
    while (random_.OneIn(2)) {
      shared_->opened.store(false);
      const uint64_t micros_of_open = random_.Uniform(open_micros_ * 5 / 4 + 1);
      if (!RunAndKill(false, micros_of_open, [&] { OpenOnly(); })) break;
      ++report_.recovery_kills;
      if (shared_->failed.load()) return Violation(seed, shared_->error);
    }
    const std::string wrong = subject_->Check(shared_->round, &report_.counts);
    if (!wrong.empty()) Violation(seed, wrong);
  }

  // Kills the child so long after its start, or after it has opened the database. False if there
  // can be no child.
  template <typename Body>
  bool RunAndKill(bool when_open, uint64_t micros, const Body& body) {
    // The allocation that fails; few, as the later ones happen while it writes.
    const uint64_t failing =
        options_.out_of_memory && random_.OneIn(4) ? 1 + random_.Skewed(14) : 0;
    const bool short_transfers = options_.short_transfers && random_.OneIn(2);
    const uint64_t seed_of_transfers = random_.Next();
    const bool failing_calls = options_.failing_calls && random_.OneIn(2);
    const int error = CallErrors()[random_.Uniform(CallErrors().size())];
    const uint64_t nth_call = 1 + random_.Skewed(10);
    const bool lasting = random_.OneIn(2);
    const std::string said = path_ + ".stderr";
    std::fflush(nullptr);
    const pid_t pid = fork();
    if (pid < 0) return false;
    if (pid == 0) {
      // What it says of its end would fill the screen.
      if (failing > 0 || failing_calls) {
        if (std::freopen(said.c_str(), "w", stderr) == nullptr) _exit(2);
        std::setvbuf(stderr, nullptr, _IONBF, 0);
      }
      if (failing > 0) FailAllocation(failing, failing % 2 == 0);
      if (short_transfers) ShortenTransfers(seed_of_transfers);
      if (failing_calls) FailCall(error, nth_call, lasting, &shared_->round);
      [&body]() noexcept { body(); }();  // nobody is to catch what it throws
      _exit(0);
    }
    const double started = SecondsNow();
    bool hangs = false;
    while (when_open && !hangs && !shared_->opened.load() && !shared_->failed.load() &&
           !Ended(pid)) {
      usleep(100);
      hangs = SecondsNow() - started > kOpenSecondsMax;
    }
    if (when_open && shared_->opened.load())
      open_micros_ = static_cast<uint64_t>((SecondsNow() - started) * 1e6);
    usleep(static_cast<useconds_t>(micros));
    kill(pid, SIGKILL);
    JudgeEnd(AwaitEnd(pid), failing > 0, said);
    if (!shared_->failed.load()) unlink(said.c_str());
    if (hangs) Fail("open hangs");
    return true;
  }

  // Children end by SIGKILL alone. But one that got an error ends by itself when it only opens, and
  // one that runs out of memory may abort, as a program does in which nobody catches
  // std::bad_alloc. `said` names the file of what it wrote then. An error is excused where a call
  // or an allocation had failed before, but for one that no failure explains.
  void JudgeEnd(int status, bool may_abort, const std::string& said) {
    const bool got_error = shared_->failed.load();
    const bool no_memory = got_error && shared_->allocations_failed.load() > 0;
    const bool explained = no_memory || (got_error && shared_->calls_failed.load() > 0);
    const std::string last_words = ContentOf(said);
    const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    const int code = signal == 0 ? WEXITSTATUS(status) : 0;
    const bool aborted = may_abort && signal == SIGABRT && SaysBadAlloc(last_words);
    if ((signal != 0 && signal != SIGKILL && !aborted) || code != 0) {
      shared_->failed.store(false);  // this is worse
      return Fail("the child died: " +
                  (signal != 0 ? strsignal(signal) : "exit code " + std::to_string(code)) + ' ' +
                  last_words);
    }
    if (signal == 0 && !got_error) return Fail("the child ended by itself");
    if (got_error && (!explained || NeverExcused(shared_->error))) return;
    if (aborted || no_memory) {
      ++report_.out_of_memory;
    } else if (got_error) {
      ++report_.failing_calls;
    }
    shared_->failed.store(false);
  }

  static bool NeverExcused(const char* error) {
    return std::strstr(error, "Corruption") != nullptr || std::strstr(error, kWrong) != nullptr;
  }

  // "recursively": another thread was about to say it.
  static bool SaysBadAlloc(const std::string& last_words) {
    return last_words.find("bad_alloc") != std::string::npos ||
           last_words.find("terminate called recursively") != std::string::npos;
  }

  static std::string ContentOf(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // Whether the child is a zombie already, which it stays.
  static bool Ended(pid_t pid) {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid;
  }

  // The first of them counts.
  void Fail(const std::string& what) {
    MutexLock lock(&mutex_);
    if (shared_->failed.load()) return;
    shared_->allocations_failed.store(AllocationsFailed());
    shared_->calls_failed.store(CallsFailed());
    std::strncpy(shared_->error, what.c_str(), sizeof(shared_->error) - 1);
    shared_->failed.store(true);
  }

  // In a child.
  bool Open(std::unique_ptr<DB>* db) {
    const Status s = subject_->Open(db);
    if (!s.ok()) Fail("open: " + s.ToString());
    shared_->opened.store(s.ok());
    return s.ok();
  }
  void OpenOnly() {
    std::unique_ptr<DB> db;
    if (Open(&db)) pause();
  }
  void Write() {
    std::unique_ptr<DB> db;
    if (!Open(&db)) return;
    subject_->Write(db.get(), [this](const std::string& what) { Fail(what); });
    pause();
  }

  const KillOptions& options_;
  const std::unique_ptr<KillSubject> subject_;
  Random random_;
  const double start_;
  SharedWithChildren<Shared> shared_;
  std::string path_;
  Mutex mutex_;                  // of the error, in a child
  uint64_t open_micros_ = 2000;  // the latest open took so long
  KillReport report_;
};

}  // namespace

KillReport RunKills(const KillOptions& options) { return Killer(options).Go(); }

}  // namespace varve::crash
