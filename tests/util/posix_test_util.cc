#include "tests/util/posix_test_util.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace varve {
namespace {

std::vector<int> Descriptors() {
  std::vector<int> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    found.push_back(std::atoi(entry.path().filename().c_str()));
  }
  return found;
}

void Check(bool ok) {
  if (!ok) abort();
}

}  // namespace

void WriteTestFile(const std::string& path, const std::string& content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << content;
  out.close();
  Check(!out.fail());
}

std::string ReadTestFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

bool Exists(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0;
}

size_t OpenDescriptors() { return Descriptors().size(); }

int DescriptorOf(const std::string& path) {
  struct stat wanted, found;
  Check(stat(path.c_str(), &wanted) == 0);
  for (const int fd : Descriptors()) {
    if (fstat(fd, &found) == 0 && found.st_dev == wanted.st_dev && found.st_ino == wanted.st_ino) {
      return fd;
    }
  }
  return -1;
}

DescriptorSwap::DescriptorSwap(int fd, const std::string& with, int flags) : fd_(fd) {
  saved_ = fcntl(fd, F_DUPFD_CLOEXEC, 100);
  const int other = open(with.c_str(), flags | O_CLOEXEC);
  Check(saved_ >= 0 && other >= 0 && dup2(other, fd) == fd);
  close(other);
}

DescriptorSwap::~DescriptorSwap() {
  Check(dup2(saved_, fd_) == fd_);
  close(saved_);
}

FileSizeLimit::FileSizeLimit(uint64_t bytes) {
  signal(SIGXFSZ, SIG_IGN);
  rlimit limit;
  Check(getrlimit(RLIMIT_FSIZE, &limit) == 0);
  saved_ = limit.rlim_cur;
  limit.rlim_cur = bytes;
  Check(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

FileSizeLimit::~FileSizeLimit() {
  rlimit limit;
  Check(getrlimit(RLIMIT_FSIZE, &limit) == 0);
  limit.rlim_cur = saved_;
  Check(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

int RunInChild(const std::function<int()>& body) {
  const pid_t child = fork();
  Check(child >= 0);
  if (child == 0) _exit(body());
  int status = 0;
  Check(waitpid(child, &status, 0) == child);
  return status;
}

SmallFileSystem::SmallFileSystem(const std::string& mount_point, uint64_t bytes)
    : path_(mount_point) {
  Check(mkdir(path_.c_str(), 0755) == 0);
  const std::string options = "size=" + std::to_string(bytes);
  ok_ = mount("tmpfs", path_.c_str(), "tmpfs", 0, options.c_str()) == 0;
}

SmallFileSystem::~SmallFileSystem() {
  if (ok_) (void)umount2(path_.c_str(), MNT_DETACH);
}

}  // namespace varve
