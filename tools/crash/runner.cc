#include "tools/crash/runner.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "tools/crash/child_process.h"
#include "tools/crash/live_table.h"
#include "tools/crash/sites.h"
#include "util/coding.h"

namespace varve::crash {
namespace {

// What a worker and its parent share. Relaxed: counters that are shown, and a token that is read
// when the worker has ended or stands still.
struct Shared {
  std::atomic<uint64_t> images{0}, distinct{0}, violations{0}, sessions{0};
  std::atomic<uint32_t> token_size{0};
  char token[500];
};

constexpr double kDrawSeconds = 0.5;

// Messages from a worker: four-byte length, then fields, each with its length before it.
constexpr char kViolation = 'v', kCell = 'c';

void Send(int fd, char kind, const std::vector<std::string>& fields) {
  std::string body(1, kind);
  for (const std::string& field : fields) {
    PutFixed32(&body, static_cast<uint32_t>(field.size()));
    body += field;
  }
  std::string message;
  PutFixed32(&message, static_cast<uint32_t>(body.size()));
  message += body;
  for (size_t at = 0; at < message.size();) {
    const ssize_t n = write(fd, message.data() + at, message.size() - at);
    if (n < 0 && errno != EINTR) _exit(3);
    if (n > 0) at += static_cast<size_t>(n);
  }
}

class Worker : public MatrixListener {
 public:
  Worker(const RunnerOptions& options, double deadline, Shared* shared, int fd)
      : options_(options), deadline_(deadline), shared_(shared), fd_(fd) {}

  // Seeds from `first` on, `step` apart.
  void Loop(uint64_t first, uint64_t step) {
    for (uint64_t i = first; options_.sessions_max == 0 || i < options_.sessions_max; i += step) {
      Token token;
      token.matrix = options_.matrices[i % options_.matrices.size()];
      token.seed = options_.seed + i;
      token.variant = options_.variant;
      Note(token);
      MatrixOptions matrix_options = options_.matrix;
      const bool faults = token.matrix == "faults";
      if (faults) {
        token.matrix = "db";
        matrix_options.depth = 1;
        matrix_options.boundary_one_in = 60;
      }
      matrix_options.exhaustive = options_.matrix.exhaustive && token.matrix == "manifest";
      if (token.matrix == "evict") {
        // Its runs are long, and much depends on what becomes of those that go on.
        matrix_options.continuations = 6;
        matrix_options.boundary_one_in = 6;
      }
      if (token.matrix == "recovery") {
        matrix_options.depth = 3;
        matrix_options.continuations = 6;
        matrix_options.boundary_one_in = 6;
      }
      Matrix matrix(matrix_options, this);
      const bool goes_on = faults ? matrix.RunFaults(token) : matrix.Run(token);
      shared_->sessions.fetch_add(1, std::memory_order_relaxed);
      for (const auto& [place, cell] : matrix.cells()) {
        Send(fd_, kCell,
             {(faults ? "faults " : token.matrix + " ") + place.first, place.second,
              std::to_string(cell.images), std::to_string(cell.violations)});
      }
      if (!goes_on) return;
    }
  }

  bool OnImage(const Token& token) override {
    Note(token);
    shared_->images.fetch_add(1, std::memory_order_relaxed);
    return SecondsNow() < deadline_;
  }
  void OnObserved() override { shared_->distinct.fetch_add(1, std::memory_order_relaxed); }
  void OnViolation(const Token& token, const std::string& text) override {
    if (shared_->violations.fetch_add(1, std::memory_order_relaxed) < options_.violations_max) {
      Send(fd_, kViolation, {token.ToString(), text});
    }
  }

 private:
  void Note(const Token& token) {
    const std::string text = token.ToString();
    const size_t size = std::min(text.size(), sizeof(shared_->token));
    std::memcpy(shared_->token, text.data(), size);
    shared_->token_size.store(static_cast<uint32_t>(size), std::memory_order_relaxed);
  }

  const RunnerOptions& options_;
  const double deadline_;
  Shared* const shared_;
  const int fd_;
};

// A running worker, seen by its parent.
struct Child {
  pid_t pid = 0;
  int fd = -1;
  Shared* shared = nullptr;
  std::string received;
  uint64_t next = 0;  // the seed index it began with
  uint64_t heartbeat = 0;
  double heard = 0;
  uint64_t sessions_before = 0;
};

class Parent {
 public:
  Parent(const RunnerOptions& options, bool progress)
      : options_(options), progress_(progress), start_(SecondsNow()) {}

  RunnerReport Go() {
    children_.resize(static_cast<size_t>(options_.jobs));
    for (size_t i = 0; i < children_.size(); ++i) {
      if (!Start(&children_[i], i)) return report_;
    }
    while (Poll()) {
      Totals();
      if (progress_) Draw();
      if (report_.violations >= options_.violations_max) {
        for (Child& child : children_) End(&child);
      }
    }
    Totals();
    if (progress_) table_.Clear();
    report_.seconds = SecondsNow() - start_;
    return report_;
  }

 private:
  bool Start(Child* child, uint64_t first) {
    int pipes[2];
    void* memory =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || pipe(pipes) != 0) {
      report_.error = std::string("cannot start a worker: ") + std::strerror(errno);
      return false;
    }
    *child = Child();
    child->shared = new (memory) Shared();
    child->next = first;
    child->heard = SecondsNow();
    std::fflush(nullptr);
    child->pid = fork();
    if (child->pid < 0) {
      report_.error = std::string("cannot start a worker: ") + std::strerror(errno);
      return false;
    }
    if (child->pid == 0) {
      close(pipes[0]);
      Worker worker(options_, start_ + options_.seconds, child->shared, pipes[1]);
      worker.Loop(first, static_cast<uint64_t>(options_.jobs));
      _exit(0);
    }
    close(pipes[1]);
    child->fd = pipes[0];
    return true;
  }

  // Ends and reaps a worker; its counters stay.
  int End(Child* child) {
    if (child->pid <= 0) return 0;
    kill(child->pid, SIGKILL);
    const int status = AwaitEnd(child->pid);
    child->pid = 0;
    close(child->fd);
    child->fd = -1;
    return status;
  }

  // Waits for news. False when no worker is left.
  bool Poll() {
    std::vector<pollfd> fds;
    for (const Child& child : children_) fds.push_back({child.fd, POLLIN, 0});
    poll(fds.data(), fds.size(), 200);
    bool running = false;
    for (size_t i = 0; i < children_.size(); ++i) {
      Child* child = &children_[i];
      if (child->pid == 0) continue;
      if ((fds[i].revents & (POLLIN | POLLHUP)) != 0) Receive(child);
      if (child->pid != 0) Watch(child);
      running |= child->pid != 0;
    }
    return running;
  }

  void Receive(Child* child) {
    char buffer[1 << 16];
    const ssize_t n = read(child->fd, buffer, sizeof(buffer));
    if (n < 0) return;
    if (n == 0) return Ended(child);
    child->received.append(buffer, static_cast<size_t>(n));
    while (child->received.size() >= 4) {
      const uint32_t size = DecodeFixed32(child->received.data());
      if (child->received.size() < 4 + size) break;
      Understand(child->received.substr(4, size));
      child->received.erase(0, 4 + size);
    }
  }

  void Understand(const std::string& body) {
    std::vector<std::string> fields;
    for (size_t at = 1; at + 4 <= body.size();) {
      const uint32_t size = DecodeFixed32(body.data() + at);
      fields.push_back(body.substr(at + 4, size));
      at += 4 + size;
    }
    if (body[0] == kViolation && fields.size() == 2) {
      if (report_.found.size() < options_.violations_max) {
        report_.found.push_back({fields[0], fields[1]});
      }
    } else if (body[0] == kCell && fields.size() == 4) {
      Cell& cell = report_.cells[{fields[0], fields[1]}];
      cell.images += std::strtoull(fields[2].c_str(), nullptr, 10);
      cell.violations += std::strtoull(fields[3].c_str(), nullptr, 10);
    }
  }

  void Ended(Child* child) {
    const int status = AwaitEnd(child->pid);
    child->pid = 0;
    close(child->fd);
    child->fd = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    Died(child, WIFSIGNALED(status)
                    ? std::string("the process died: ") + strsignal(WTERMSIG(status))
                    : "the process ended by itself");
  }

  void Watch(Child* child) {
    const uint64_t images = child->shared->images.load(std::memory_order_relaxed);
    if (images != child->heartbeat) {
      child->heartbeat = images;
      child->heard = SecondsNow();
    } else if (SecondsNow() - child->heard > options_.hang_seconds) {
      End(child);
      Died(child, "it hangs");
    }
  }

  // An image that ends its process is a violation; the next seed goes on in a new one.
  void Died(Child* child, const std::string& how) {
    const std::string token(child->shared->token,
                            child->shared->token_size.load(std::memory_order_relaxed));
    ++deaths_;
    if (report_.found.size() < options_.violations_max) report_.found.push_back({token, how});
    const auto step = static_cast<uint64_t>(options_.jobs);
    const uint64_t next =
        child->next + step * (child->shared->sessions.load(std::memory_order_relaxed) + 1);
    Count(*child, &ended_);
    if (SecondsNow() - start_ < options_.seconds && deaths_ < options_.violations_max)
      Start(child, next);
  }

  static void Count(const Child& child, RunnerReport* into) {
    if (child.shared == nullptr) return;
    into->images += child.shared->images.load(std::memory_order_relaxed);
    into->distinct += child.shared->distinct.load(std::memory_order_relaxed);
    into->violations += child.shared->violations.load(std::memory_order_relaxed);
    into->sessions += child.shared->sessions.load(std::memory_order_relaxed);
  }

  void Totals() {
    RunnerReport sum = ended_;
    for (const Child& child : children_) Count(child, &sum);
    report_.images = sum.images;
    report_.distinct = sum.distinct;
    report_.violations = sum.violations + deaths_;
    report_.sessions = sum.sessions;
  }

  void Draw() {
    const double passed = SecondsNow() - start_;
    if (passed < drawn_at_ + kDrawSeconds) return;
    drawn_at_ = passed;
    const size_t rows_max = LiveTable::RowsMax();
    std::vector<std::string> lines;
    if (rows_max > 3) lines = TableOf(report_.cells, rows_max - 1);
    char text[200];
    std::snprintf(text, sizeof(text),
                  "%3.0f / %.0f s  %llu runs  %llu images  %llu distinct (%.0f/min)  %llu "
                  "violations  %zu places not hit yet",
                  passed, options_.seconds, static_cast<unsigned long long>(report_.sessions),
                  static_cast<unsigned long long>(report_.images),
                  static_cast<unsigned long long>(report_.distinct),
                  static_cast<double>(report_.distinct) / passed * 60,
                  static_cast<unsigned long long>(report_.violations),
                  UnhitSites(options_, report_).size());
    lines.emplace_back(text);
    table_.Draw(lines);
  }

  const RunnerOptions& options_;
  const bool progress_;
  const double start_;
  double drawn_at_ = -kDrawSeconds;
  LiveTable table_;
  std::vector<Child> children_;
  RunnerReport report_, ended_;  // ended_: of workers whose place was taken by others
  uint64_t deaths_ = 0;
};

}  // namespace

RunnerReport Run(const RunnerOptions& options, bool progress) {
  return Parent(options, progress).Go();
}

}  // namespace varve::crash
