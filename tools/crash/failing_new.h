#ifndef VARVE_TOOLS_CRASH_FAILING_NEW_H_
#define VARVE_TOOLS_CRASH_FAILING_NEW_H_

#include <cstdint>

namespace varve::crash {

// From now on in this process the `nth` allocation by `new` throws std::bad_alloc, counted from 1
// over all threads; with `lasting` each one after it as well. 0: none.
void FailAllocation(uint64_t nth, bool lasting);
// How many have failed so.
uint64_t AllocationsFailed();

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_FAILING_NEW_H_
