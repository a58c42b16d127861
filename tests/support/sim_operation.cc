// What an operation of the simulated disk, and a loss at a crash, are called in reports and tokens.

#include <charconv>
#include <string>
#include <string_view>

#include "tests/support/sim_disk.h"

namespace varve {
namespace {

// Which kind of file a path names; for labels.
std::string FileKind(std::string_view path) {
  const size_t slash = path.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  if (name == "MANIFEST") return "manifest";
  if (name == "MANIFEST.tmp") return "manifest_temp";
  if (name == "LOCK") return "lock";
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return "directory";
  if (name.substr(dot) == ".log") return "log";
  if (name.substr(dot) == ".recycled") return "recycled";
  if (name.substr(dot) == ".seg") return "segment";
  if (name.substr(dot) == ".ghost") return "ghost";
  return "other";
}

}  // namespace

namespace {

// What is done to which kind of file: "segment.create".
std::string CallLabel(const SimOp& op) {
  static const char* const kVerbs[] = {
      "create",        "mkdir", "write",  "resize", "sync_begin",
      "sync",          "link",  "unlink", "rename", "directory_sync_begin",
      "directory_sync"};
  std::string label = FileKind(op.path);
  if (op.kind == SimOpKind::kWrite && label == "log") {
    return op.offset < 2 * kSimPageBytes ? "log.header" : "log.append";
  }
  if (op.kind == SimOpKind::kWrite && label == "manifest") {
    return op.offset < 2 * kSimPageBytes ? "manifest.root" : "manifest.page";
  }
  if (op.kind >= SimOpKind::kDirectorySyncBegin) return kVerbs[static_cast<int>(op.kind)];
  return label + "." + kVerbs[static_cast<int>(op.kind)];
}

}  // namespace

std::string SimOp::Label() const {
  if (kind == SimOpKind::kStep) return CrashStepName(step);
  return std::string(CrashSiteName(site)) + ": " + CallLabel(*this);
}

std::string SimOp::ToString() const {
  if (kind == SimOpKind::kStep) return Label();
  std::string text = Label() + " " + path;
  if (kind == SimOpKind::kRename) text += " -> " + new_entry;
  text += " inode " + std::to_string(inode);
  if (kind == SimOpKind::kWrite) {
    text += " at " + std::to_string(offset) + " + " + std::to_string(data->size());
  }
  if (kind == SimOpKind::kResize) text += " to " + std::to_string(offset);
  if (!ok) text += " FAILED";
  return text;
}

const char* SimLoss::KindName(Kind kind) {
  static constexpr const char* kNames[] = {"drop", "keep", "only", "but",
                                           "set",  "rnd",  "sec",  "pages"};
  return kNames[static_cast<int>(kind)];
}

namespace {

int BaseOf(SimLoss::Kind kind) {
  return kind == SimLoss::Kind::kSubset || kind >= SimLoss::Kind::kSectors ? 16 : 10;
}

}  // namespace

std::string SimLoss::ToString() const {
  std::string text = KindName(kind);
  if (kind == Kind::kDropAll || kind == Kind::kKeepAll) return text;
  char digits[24];
  return text.append(digits,
                     std::to_chars(digits, digits + sizeof(digits), argument, BaseOf(kind)).ptr);
}

bool SimLoss::Parse(std::string_view text, SimLoss* loss) {
  for (int i = 0; i <= static_cast<int>(Kind::kPages); ++i) {
    const Kind kind = static_cast<Kind>(i);
    const std::string_view name = KindName(kind);
    if (text.substr(0, name.size()) != name) continue;
    text.remove_prefix(name.size());
    *loss = {kind, 0};
    if (kind == Kind::kDropAll || kind == Kind::kKeepAll) return text.empty();
    const auto result =
        std::from_chars(text.data(), text.data() + text.size(), loss->argument, BaseOf(kind));
    return result.ec == std::errc() && result.ptr == text.data() + text.size();
  }
  return false;
}

}  // namespace varve
