#include "util/posix_machine.h"

#include <fcntl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include "util/posix_io.h"

namespace varve {
namespace {

using std::string_view;

// What these files hold is small; a larger one is no such file.
constexpr size_t kMaxFileBytes = 64 << 10;

std::optional<std::string> ReadSmallFile(const std::string& path) {
  posix::Fd fd;
  if (!posix::Open(path, O_RDONLY, &fd).ok()) return std::nullopt;
  std::string content(kMaxFileBytes, '\0');
  // Files of /proc have no size, and some return little at a time: read until the end.
  size_t size = 0;
  const int error =
      posix::ReadFully(content.data(), content.size(), 0, &size,
                       [&fd](char* to, size_t n, uint64_t) { return read(fd.get(), to, n); });
  if (error != 0) return std::nullopt;
  content.resize(size);
  return content;
}

string_view Trim(string_view text) {
  constexpr string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// The text up to `separator`, which both it and *rest lose.
string_view Split(string_view* rest, char separator) {
  const size_t end = rest->find(separator);
  const string_view first = rest->substr(0, end);
  *rest = end == string_view::npos ? string_view() : rest->substr(end + 1);
  return first;
}

// A whole positive number. "max", the empty text and nonsense are no limit; nor is zero, with which
// nothing could run.
std::optional<uint64_t> ParseLimit(string_view text) {
  text = Trim(text);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0) return std::nullopt;
  return value;
}

// Of version 1's memory.stat, which tells of groups above that a container cannot see.
std::optional<uint64_t> ParseHierarchicalLimit(string_view stat) {
  while (!stat.empty()) {
    string_view line = Split(&stat, '\n');
    if (Split(&line, ' ') == "hierarchical_memory_limit") return ParseLimit(line);
  }
  return std::nullopt;
}

bool HasItem(string_view list, string_view item) {
  while (!list.empty()) {
    if (Split(&list, ',') == item) return true;
  }
  return false;
}

}  // namespace

std::string PosixMachine::BootId() {
  const auto content = ReadSmallFile(root_ + "/proc/sys/kernel/random/boot_id");
  return content ? std::string(Trim(*content)) : "";
}

uint64_t PosixMachine::MemoryLimitBytes() {
  uint64_t limit = PhysicalMemoryBytes();
  const auto groups = ReadSmallFile(root_ + "/proc/self/cgroup");
  if (!groups) return limit;
  // Lines of "<id>:<controllers>:<group>"; version 2 has the id 0 and no controllers (cgroups(7)).
  for (string_view lines = *groups; !lines.empty();) {
    string_view line = Split(&lines, '\n');
    const string_view id = Split(&line, ':');
    const string_view controllers = Split(&line, ':');
    // Seen from another namespace the group may be "/../x", which is nowhere below the mount.
    const std::string group(line.find("..") == string_view::npos ? line : "/");
    if (id == "0" && controllers.empty()) {
      for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
        ApplyGroupLimits(mount, group, "memory.max", ParseLimit, &limit);
        ApplyGroupLimits(mount, group, "memory.high", ParseLimit, &limit);
      }
    } else if (HasItem(controllers, "memory")) {
      const char* const mount = "/sys/fs/cgroup/memory";
      ApplyGroupLimits(mount, group, "memory.limit_in_bytes", ParseLimit, &limit);
      ApplyGroupLimits(mount, group, "memory.stat", ParseHierarchicalLimit, &limit);
    }
  }
  return limit;
}

void PosixMachine::ApplyGroupLimits(const std::string& mount, const std::string& group,
                                    const std::string& file,
                                    std::optional<uint64_t> (*parse)(string_view),
                                    uint64_t* limit) const {
  // A container often sees its own group mounted as the root while /proc names the host's path; the
  // levels that do not exist are skipped, and the walk ends at the mount itself.
  std::string path = group;
  while (true) {
    while (!path.empty() && path.back() == '/') path.pop_back();
    if (const auto content = ReadSmallFile(root_ + mount + path + "/" + file)) {
      if (const auto found = parse(*content)) *limit = std::min(*limit, *found);
    }
    if (path.empty()) return;
    const size_t slash = path.rfind('/');
    path.resize(slash == std::string::npos ? 0 : slash);
  }
}

uint64_t PosixMachine::PhysicalMemoryBytes() const {
  if (const auto content = ReadSmallFile(root_ + "/proc/meminfo")) {
    for (string_view lines = *content; !lines.empty();) {
      string_view line = Split(&lines, '\n');
      if (Split(&line, ':') != "MemTotal") continue;
      line = Trim(line);
      const auto kilobytes = ParseLimit(Split(&line, ' '));
      if (kilobytes && *kilobytes <= std::numeric_limits<uint64_t>::max() / 1024) {
        return *kilobytes * 1024;
      }
    }
  }
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_bytes = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return std::numeric_limits<uint64_t>::max();
  return static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_bytes);
}

uint64_t PosixMachine::RandomSeed() {
  uint64_t seed = 0;
  ssize_t n;
  do {
    n = getrandom(&seed, sizeof(seed), 0);
  } while (n < 0 && errno == EINTR);
  if (n == sizeof(seed)) return seed;
  // Only a sandbox that forbids the call gets here: other numbers each time, if not secret ones.
  static std::atomic<uint64_t> calls{0};
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  seed = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  seed ^= static_cast<uint64_t>(getpid()) << 40;
  // Relaxed: only the number itself matters. The multiplier is 2^64 divided by the golden ratio.
  seed += (calls.fetch_add(1, std::memory_order_relaxed) + 1) * 0x9E3779B97F4A7C15;
  return (seed ^ (seed >> 29)) * 0xBF58476D1CE4E5B9;
}

}  // namespace varve
