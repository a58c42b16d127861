#ifndef VARVE_TOOLS_BENCH_PROGRESS_BAR_H_
#define VARVE_TOOLS_BENCH_PROGRESS_BAR_H_

#include <cstdint>
#include <cstdio>
#include <string>

namespace varve::bench {

struct ProgressState {
  double fraction = -1;  // done, 0 to 1; negative: unknown
  uint64_t operations = 0;
  double seconds = 0;  // since the start
};

// One line of at most `columns` characters: a bar, the count, the rate, and the time that is left;
// without the bar and the time where the fraction is unknown.
std::string RenderProgress(const ProgressState& state, int columns);

// A line on a terminal that is drawn anew, at most ten times a second. Draws nothing on what is no
// terminal. One thread.
class ProgressBar {
 public:
  explicit ProgressBar(std::FILE* stream);
  ~ProgressBar() { Clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  bool Due(uint64_t now_nanos) const { return enabled_ && now_nanos >= next_nanos_; }
  void Draw(const ProgressState& state, uint64_t now_nanos);
  // Leaves an empty line; later output begins at its start.
  void Clear();

 private:
  std::FILE* const stream_;
  const bool enabled_;
  uint64_t next_nanos_ = 0;
  bool drawn_ = false;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_PROGRESS_BAR_H_
