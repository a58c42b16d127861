#include "tools/crash/child_process.h"

#include <sys/wait.h>

#include <cerrno>
#include <chrono>

namespace varve::crash {

double SecondsNow() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int AwaitEnd(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace varve::crash
