#include "util/posix_guarded_copy.h"

#include <setjmp.h>
#include <signal.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "util/posix_io.h"

namespace varve::posix {
namespace {

struct Guard {
  uintptr_t begin;
  uintptr_t end;
  sigjmp_buf resume;
};

// The copy this thread is making, or null. Volatile: the handler reads it between any two
// instructions of the same thread; the signal fences keep the copy between the two stores.
thread_local Guard* volatile current_guard = nullptr;

// Written before the handler is installed, which is when it is first read.
struct sigaction previous_action;

void CallPrevious(int signal_number, siginfo_t* info, void* context) {
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
    previous_action.sa_sigaction(signal_number, info, context);
    return;
  }
  const bool sent = info->si_code <= 0;  // by kill() or the like, not by a fault
  if (previous_action.sa_handler == SIG_IGN && sent) return;
  if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal_number);
    return;
  }
  // The default action. A faulting instruction runs again when this returns, and then ends the
  // process (an ignored fault does too: the kernel does not let a program ignore those). A sent
  // signal has to be sent once more.
  struct sigaction by_default;
  std::memset(&by_default, 0, sizeof(by_default));
  by_default.sa_handler = SIG_DFL;
  sigaction(signal_number, &by_default, nullptr);
  if (sent) raise(signal_number);
}

void HandleBusError(int signal_number, siginfo_t* info, void* context) {
  Guard* const guard = current_guard;
  const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  if (guard != nullptr && info->si_code > 0 && guard->begin <= address && address < guard->end) {
    siglongjmp(guard->resume, 1);
  }
  CallPrevious(signal_number, info, context);
}

Status Install() {
  struct sigaction action;
  std::memset(&action, 0, sizeof(action));
  action.sa_sigaction = HandleBusError;
  // SA_ONSTACK: a program that gives its threads signal stacks expects handlers to use them.
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGBUS, nullptr, &previous_action) != 0 ||
      sigaction(SIGBUS, &action, nullptr) != 0) {
    return ErrnoError("SIGBUS", "install handler", errno);
  }
  return Status::OK();
}

}  // namespace

Status InstallBusHandler() {
  static const Status* const status = new Status(Install());
  return *status;
}

// Not inlined: sigsetjmp() would pessimise the caller.
__attribute__((noinline)) bool GuardedCopy(char* to, const char* from, size_t size) {
  Guard guard;
  guard.begin = reinterpret_cast<uintptr_t>(to);
  guard.end = guard.begin + size;
  if (sigsetjmp(guard.resume, 0) != 0) {
    current_guard = nullptr;
    return false;
  }
  current_guard = &guard;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::memcpy(to, from, size);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  current_guard = nullptr;
  return true;
}

}  // namespace varve::posix
