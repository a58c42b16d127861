#include "tools/crash/live_table.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "tools/crash/sites.h"

namespace varve::crash {
namespace {

constexpr int kPlaceWidth = 44, kCountWidth = 8;

struct Row {
  std::string place;
  std::map<std::string, uint64_t> images;  // by fault
  uint64_t sum = 0, violations = 0;
};

// "only~flip" is one more image of "only", and one of "flip".
void Add(const std::string& fault, const Cell& cell, Row* row) {
  const size_t tilde = fault.find('~');
  row->images[fault.substr(0, tilde)] += cell.images;
  if (tilde != std::string::npos) row->images[fault.substr(tilde + 1)] += cell.images;
  row->sum += cell.images;
  row->violations += cell.violations;
}

std::string Count(uint64_t n) {
  char text[32];
  if (n < 10'000'000) {
    std::snprintf(text, sizeof(text), "%*llu", kCountWidth, static_cast<unsigned long long>(n));
  } else {
    std::snprintf(text, sizeof(text), "%*lluM", kCountWidth - 1,
                  static_cast<unsigned long long>(n / 1'000'000));
  }
  return text;
}

}  // namespace

std::vector<std::string> TableOf(const Cells& cells, size_t rows_max) {
  std::vector<Row> rows;
  for (const auto& [key, cell] : cells) {
    if (rows.empty() || rows.back().place != key.first) rows.emplace_back().place = key.first;
    Add(key.second, cell, &rows.back());
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return a.violations != b.violations ? a.violations > b.violations : a.sum < b.sum;
  });
  std::vector<std::string> lines;
  std::string head = "place";
  head.resize(kPlaceWidth, ' ');
  const auto title = [&head](const std::string& text) {
    head += std::string(std::max<size_t>(kCountWidth, text.size() + 1) - text.size(), ' ') + text;
  };
  for (const char* fault : Faults()) title(fault);
  title("images");
  title("wrong");
  lines.push_back(head);
  for (const Row& row : rows) {
    if (lines.size() >= rows_max) break;
    std::string line = row.place.substr(0, kPlaceWidth);
    line.resize(kPlaceWidth, ' ');
    for (const char* fault : Faults()) {
      const auto found = row.images.find(fault);
      line += Count(found == row.images.end() ? 0 : found->second);
    }
    lines.push_back(line + Count(row.sum) + Count(row.violations));
  }
  return lines;
}

size_t LiveTable::RowsMax() {
  winsize size{};
  if (isatty(STDERR_FILENO) == 0 || ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_row > 1 ? size.ws_row - 1u : 0;
}

void LiveTable::Draw(const std::vector<std::string>& lines) {
  winsize size{};
  ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
  const size_t width = size.ws_col > 1 ? size.ws_col - 1u : 79;
  std::string text = drawn_ > 0 ? "\033[" + std::to_string(drawn_) + "A" : "";
  text += "\r\033[J";
  for (const std::string& line : lines) text += line.substr(0, width) + "\n";
  std::fputs(text.c_str(), stderr);
  drawn_ = lines.size();
}

void LiveTable::Clear() {
  if (drawn_ > 0) std::fprintf(stderr, "\033[%zuA\r\033[J", drawn_);
  drawn_ = 0;
}

}  // namespace varve::crash
