#ifndef VARVE_TOOLS_CRASH_CHILD_PROCESS_H_
#define VARVE_TOOLS_CRASH_CHILD_PROCESS_H_

#include <sys/mman.h>
#include <sys/types.h>

#include <new>

namespace varve::crash {

// Of a clock that never runs back.
double SecondsNow();

// Waits until the child has ended, and buries it. Its status, as waitpid() has it.
int AwaitEnd(pid_t pid);

// A T that a process and the children it forks from then on all see. Its members have to be such
// as processes may share, and need no destructor.
template <typename T>
class SharedWithChildren {
 public:
  SharedWithChildren()
      : memory_(
            mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {}
  ~SharedWithChildren() {
    if (ok()) munmap(memory_, sizeof(T));
  }
  SharedWithChildren(const SharedWithChildren&) = delete;
  SharedWithChildren& operator=(const SharedWithChildren&) = delete;

  // False: the system gave no memory, errno says why, and nothing below may be called.
  bool ok() const { return memory_ != MAP_FAILED; }
  // A new one, in the place of the one before.
  void Begin() { new (memory_) T(); }
  T& operator*() { return *static_cast<T*>(memory_); }
  T* operator->() { return static_cast<T*>(memory_); }

 private:
  void* const memory_;
};

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_CHILD_PROCESS_H_
