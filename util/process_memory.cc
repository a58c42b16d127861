#include "util/process_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

#include "util/posix_io.h"

namespace varve {

namespace {

// The number of kilobytes behind `name` in lines like "VmHWM:\t   1234 kB".
uint64_t KilobytesOf(std::string_view status, std::string_view name) {
  const size_t at = status.find(name);
  if (at == std::string_view::npos) return 0;
  status.remove_prefix(at + name.size());
  const size_t digit = status.find_first_not_of(" \t");
  if (digit == std::string_view::npos) return 0;
  uint64_t kilobytes = 0;
  std::from_chars(status.data() + digit, status.data() + status.size(), kilobytes);
  return kilobytes;
}

}  // namespace

ProcessMemory ReadProcessMemory(const std::string& root) {
  posix::Fd fd;
  if (!posix::Open(root + "/proc/self/status", O_RDONLY, &fd).ok()) return {};
  char text[16 << 10];
  size_t size = 0;
  const int error =
      posix::ReadFully(text, sizeof(text), 0, &size,
                       [&fd](char* to, size_t n, uint64_t) { return read(fd.get(), to, n); });
  if (error != 0) return {};
  const std::string_view status(text, size);
  ProcessMemory memory;
  memory.resident_bytes = KilobytesOf(status, "\nVmRSS:") * 1024;
  memory.peak_bytes = KilobytesOf(status, "\nVmHWM:") * 1024;
  return memory;
}

}  // namespace varve
