#ifndef VARVE_TOOLS_CRASH_LIVE_TABLE_H_
#define VARVE_TOOLS_CRASH_LIVE_TABLE_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tools/crash/matrix.h"

// What a run has done so far, as a table of places by faults that is drawn over itself.

namespace varve::crash {

using Cells = std::map<std::pair<std::string, std::string>, Cell>;

// As many rows as `rows_max` allows: the places where something was wrong first, then those hit
// least. Each row: the place, the images of each fault (damage counts in its own column besides),
// the sum, the violations. A pure function, for any width.
std::vector<std::string> TableOf(const Cells& cells, size_t rows_max);

// Draws `lines` on standard error, over what it drew before.
class LiveTable {
 public:
  // Lines that the terminal has, less one; 0 where there is none.
  static size_t RowsMax();
  void Draw(const std::vector<std::string>& lines);
  // Takes away what was drawn.
  void Clear();

 private:
  size_t drawn_ = 0;
};

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_LIVE_TABLE_H_
