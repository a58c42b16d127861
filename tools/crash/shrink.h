#ifndef VARVE_TOOLS_CRASH_SHRINK_H_
#define VARVE_TOOLS_CRASH_SHRINK_H_

#include <string>

#include "tools/crash/crash_point.h"

// Makes a violation small enough to read: the same defect in as few steps, of as few clients, after
// as few and as plain crashes as it can find.
//
//   1. The run of the token is done again with one step a client, then two, four and so on, and all
//      its crashes are looked at, until one shows a violation; then with the numbers between.
//   2. The same with one client in place of several, and with fewer crashes in a row.
//   3. Of all violations in the smallest run the plainest crash is taken: a kill before a loss of
//      everything, that before a loss of something; the earliest of its kind.
//
// Any violation counts as the same defect. As each run is one more seeded run, what is found is a
// token like any other.

namespace varve::crash {

struct Shrunk {
  Token token;       // the one that was given, if nothing smaller shows a violation
  std::string text;  // what is wrong; "": nothing at all was found
  uint64_t runs = 0;
};

// Takes about `seconds` at the most.
Shrunk Shrink(const Token& token, double seconds);

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_SHRINK_H_
