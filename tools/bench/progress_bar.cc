#include "tools/bench/progress_bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "tools/bench/text_format.h"

namespace varve::bench {
namespace {

constexpr uint64_t kNanosBetweenDrawings = 100 * 1000 * 1000;
constexpr int kColumnsDefault = 80;
constexpr int kBarColumnsMin = 5;
constexpr int kBarColumnsMax = 40;

int TerminalColumns(std::FILE* stream) {
  winsize size{};
  if (ioctl(fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kColumnsDefault;
  return size.ws_col;
}

}  // namespace

std::string RenderProgress(const ProgressState& state, int columns) {
  const double rate = state.seconds > 0 ? static_cast<double>(state.operations) / state.seconds : 0;
  std::string tail =
      HumanCount(static_cast<double>(state.operations)) + " requests, " + HumanCount(rate) + "/s";
  if (state.fraction >= 0) {
    const double fraction = std::min(state.fraction, 1.0);
    tail = Format("%3.0f %%  ", fraction * 100) + tail;
    if (fraction > 0) {
      tail += ", " + HumanDuration(state.seconds * (1 - fraction) / fraction) + " left";
    }
    const int room = columns - static_cast<int>(tail.size()) - 3;
    if (room >= kBarColumnsMin) {
      const int width = std::min(room, kBarColumnsMax);
      const int filled = static_cast<int>(fraction * width);
      tail = "[" + std::string(static_cast<size_t>(filled), '#') +
             std::string(static_cast<size_t>(width - filled), '.') + "] " + tail;
    }
  }
  if (static_cast<int>(tail.size()) > columns) tail.resize(static_cast<size_t>(columns));
  return tail;
}

ProgressBar::ProgressBar(std::FILE* stream)
    : stream_(stream), enabled_(isatty(fileno(stream)) == 1) {}

void ProgressBar::Draw(const ProgressState& state, uint64_t now_nanos) {
  if (!enabled_) return;
  // The last column stays free: some terminals wrap when it is written to.
  std::fprintf(stream_, "\r\033[K%s", RenderProgress(state, TerminalColumns(stream_) - 1).c_str());
  std::fflush(stream_);
  drawn_ = true;
  next_nanos_ = now_nanos + kNanosBetweenDrawings;
}

void ProgressBar::Clear() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stream_);
  std::fflush(stream_);
  drawn_ = false;
}

}  // namespace varve::bench
