#include "tools/crash/crash_point.h"

#include <charconv>
#include <cstring>
#include <optional>

#include "util/coding.h"
#include "util/hash.h"
#include "util/random.h"

namespace varve::crash {
namespace {

// Of the kinds of damage, in their order.
constexpr std::string_view kDamages[] = {"", "~root", "~flip", "~move"};
constexpr size_t kPageBytes = 4096;

// Whole of `text` as a number.
bool ParseNumber(std::string_view text, int base, uint64_t* number) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), *number, base);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

std::string Number(uint64_t number, int base) {
  char digits[24];
  return {digits, std::to_chars(digits, digits + sizeof(digits), number, base).ptr};
}

// The part of `text` up to `separator`, which is taken off it; all of it if there is none.
std::string_view Take(std::string_view* text, char separator) {
  const size_t at = text->find(separator);
  const std::string_view part = text->substr(0, at);
  text->remove_prefix(at == std::string_view::npos ? text->size() : at + 1);
  return part;
}

// The generation of a root page that is whole (db/MANIFEST.md, "Page").
std::optional<uint64_t> RootGeneration(const char* page, uint32_t number) {
  if (DecodeFixed64(page) != Hash64(Slice(page + 8, kPageBytes - 8))) return std::nullopt;
  if (DecodeFixed32(page + 8) != number) return std::nullopt;
  return DecodeFixed64(page + 16);
}

}  // namespace

std::string CrashPoint::ToString() const {
  std::string text = Number(boundary, 10);
  if (torn) text += ".torn" + Number(tear, 10);
  text += kind == Kind::kKill ? ".kill" : "." + loss.ToString();
  text += kDamages[static_cast<int>(damage)];
  if (damage >= Damage::kFlip) text += Number(damage_seed, 10);
  return text;
}

bool CrashPoint::Parse(std::string_view text, CrashPoint* point) {
  *point = CrashPoint();
  if (const size_t tilde = text.find('~'); tilde != std::string_view::npos) {
    std::string_view what = text.substr(tilde);
    text = text.substr(0, tilde);
    for (const Damage damage : {Damage::kRoot, Damage::kFlip, Damage::kMove}) {
      const std::string_view name = kDamages[static_cast<int>(damage)];
      if (what.substr(0, name.size()) != name) continue;
      point->damage = damage;
      what.remove_prefix(name.size());
      if (damage == Damage::kRoot ? !what.empty() : !ParseNumber(what, 10, &point->damage_seed)) {
        return false;
      }
    }
    if (point->damage == Damage::kNone) return false;
  }
  if (!ParseNumber(Take(&text, '.'), 10, &point->boundary)) return false;
  if (text.substr(0, 4) == "torn") {
    point->torn = true;
    if (!ParseNumber(Take(&text, '.').substr(4), 10, &point->tear)) return false;
  }
  if (text == "kill") return true;
  point->kind = Kind::kLoss;
  return SimLoss::Parse(text, &point->loss);
}

std::string CrashPoint::Fault() const {
  std::string name = torn ? "torn" : kind == Kind::kKill ? "kill" : SimLoss::KindName(loss.kind);
  return name.append(kDamages[static_cast<int>(damage)]);
}

SimDisk Materialise(const SimReplay& replay, const SimOp* next, const CrashPoint& point) {
  const auto crash = [&point](const SimDisk& disk) {
    return point.kind == CrashPoint::Kind::kKill ? disk.Kill() : disk.PowerLoss(point.loss);
  };
  if (!point.torn || next == nullptr) return crash(replay.disk());
  SimDisk disk = replay.disk();
  disk.ApplyTorn(*next, point.tear);
  return crash(disk);
}

namespace {

std::string DestroyNewestRoot(SimDisk* disk) {
  std::string destroyed;
  for (const std::string& path : disk->Paths()) {
    if (path.size() < 9 || path.substr(path.size() - 9) != "/MANIFEST") continue;
    const InodeNumber inode = disk->Find(path);
    char pages[2 * kPageBytes];
    if (disk->HasPending(inode)) continue;
    if (disk->Read(inode, 0, sizeof(pages), pages) != sizeof(pages)) continue;
    const auto first = RootGeneration(pages, 0), second = RootGeneration(pages + kPageBytes, 1);
    if (!first.has_value() || !second.has_value()) continue;
    disk->Damage(inode, *second > *first ? kPageBytes : 0, std::string(kPageBytes, '\xa5'));
    destroyed = path;
  }
  return destroyed;
}

// A file of some bytes below `directory`.
std::string ChooseFile(const SimDisk& disk, std::string_view directory, Random* random) {
  std::vector<std::string> files;
  for (const std::string& path : disk.Paths()) {
    if (path.size() <= directory.size() || path.substr(0, directory.size()) != directory) continue;
    const InodeNumber inode = disk.Find(path);
    if (!disk.IsDirectory(inode) && disk.Size(inode) > 0) files.push_back(path);
  }
  return files.empty() ? std::string() : files[random->Uniform(files.size())];
}

// A place in the file where something stands, if a few tries find one: most of a log is zeros.
uint64_t ChooseOffset(const SimDisk& disk, InodeNumber inode, Random* random) {
  uint64_t offset = 0;
  for (int tries = 0; tries < 8; ++tries) {
    offset = random->Uniform(disk.Size(inode));
    char byte = 0;
    if (disk.Read(inode, offset, 1, &byte) == 1 && byte != 0) break;
  }
  return offset;
}

}  // namespace

std::string DamageDisk(const CrashPoint& point, std::string_view directory, SimDisk* disk) {
  if (point.damage == CrashPoint::Damage::kNone) return "";
  if (point.damage == CrashPoint::Damage::kRoot) return DestroyNewestRoot(disk);
  Random random(point.damage_seed);
  const std::string path = ChooseFile(*disk, directory, &random);
  if (path.empty()) return "";
  const InodeNumber inode = disk->Find(path);
  const uint64_t offset = ChooseOffset(*disk, inode, &random);
  if (point.damage == CrashPoint::Damage::kFlip) {
    char byte = 0;
    disk->Read(inode, offset, 1, &byte);
    byte = static_cast<char>(byte ^ (1 << random.Uniform(8)));
    disk->Damage(inode, offset, Slice(&byte, 1));
    return path;
  }
  const InodeNumber source = disk->Find(ChooseFile(*disk, directory, &random));
  const auto sector = [](uint64_t at) { return at / kSimSectorBytes * kSimSectorBytes; };
  char moved[kSimSectorBytes] = {}, there[kSimSectorBytes] = {};
  disk->Read(source, sector(ChooseOffset(*disk, source, &random)), sizeof(moved), moved);
  disk->Read(inode, sector(offset), sizeof(there), there);
  if (std::memcmp(moved, there, sizeof(moved)) == 0) return "";
  disk->Damage(inode, sector(offset), Slice(moved, sizeof(moved)));
  return path;
}

std::string Token::ToString() const {
  std::string text = matrix + ":" + Number(seed, 16) + ":" + variant + ":";
  for (size_t i = 0; i < points.size(); ++i) text += (i > 0 ? "/" : "") + points[i].ToString();
  return text;
}

bool Token::Parse(std::string_view text, Token* token) {
  *token = Token();
  token->matrix = Take(&text, ':');
  if (!ParseNumber(Take(&text, ':'), 16, &token->seed)) return false;
  token->variant = Take(&text, ':');
  for (bool more = !text.empty(); more;) {
    more = text.find('/') != std::string_view::npos;
    token->points.emplace_back();
    if (!CrashPoint::Parse(Take(&text, '/'), &token->points.back())) return false;
  }
  return !token->matrix.empty() && !token->variant.empty();
}

uint64_t Token::SeedAt(size_t depth) const {
  uint64_t derived = seed;
  for (size_t i = 0; i < depth; ++i) derived = Mix64(derived ^ Hash64(points[i].ToString()));
  return derived;
}

}  // namespace varve::crash
