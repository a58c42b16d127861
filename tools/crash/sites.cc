#include "tools/crash/sites.h"

#include <algorithm>
#include <set>

namespace varve::crash {
namespace {

constexpr Site kSites[] = {
    {"wal", "log make: log.create"},
    {"wal", "log make: log.header"},
    {"wal", "log make: log.sync"},
    {"wal", "log make: directory_sync"},
    {"wal", "log make: recycled.rename"},
    {"wal", "log append: log.append"},
    {"wal", "log sync: log.sync"},
    {"wal", "log recycle: log.rename"},
    {"wal", "log recycle: log.unlink"},
    {"manifest", "manifest rewrite: manifest_temp.create"},
    {"manifest", "manifest rewrite: manifest_temp.write"},
    {"manifest", "manifest rewrite: manifest_temp.sync"},
    {"manifest", "manifest rewrite: manifest_temp.rename"},
    {"manifest", "manifest rewrite: directory_sync"},
    {"manifest", "manifest open: manifest.root"},
    {"manifest", "manifest open: manifest.sync"},
    {"manifest", "manifest pages: manifest.page"},
    {"manifest", "manifest pages: manifest.sync"},
    {"manifest", "manifest root: manifest.root"},
    {"manifest", "manifest root: manifest.sync"},
    {"db", "open: directory_sync"},
    {"db", "manifest open: manifest.root"},
    {"db", "manifest open: manifest.sync"},
    {"db", "manifest root: manifest.root"},
    {"db", "manifest root: manifest.sync"},
    {"db", "log make: log.create"},
    {"db", "log make: log.header"},
    {"db", "log make: log.sync"},
    {"db", "log make: directory_sync"},
    {"db", "log append: log.append"},
    {"db", "log sync: log.sync"},
    {"db", "log recycle: log.rename"},
    {"db", "group elected"},
    {"db", "group written"},
    {"db", "group synced"},
    {"db", "group woken"},
    {"db", "log rotated"},
    {"db", "manifest published"},
    {"db", "flush: segment.create"},
    {"db", "flush: segment.write"},
    {"db", "flush: segment.sync"},
    {"db", "flush: directory_sync"},
    {"db", "flush published"},
    {"db", "compaction: segment.create"},
    {"db", "compaction: segment.write"},
    {"db", "compaction: segment.sync"},
    {"db", "compaction: directory_sync"},
    {"db", "compaction published"},
    {"db", "unlink: segment.unlink"},
    {"db", "recovery flush: segment.create"},
    {"db", "recovery flush: segment.write"},
    {"db", "recovery flush: segment.sync"},
    {"db", "recovery flush: directory_sync"},
    {"db", "recovery replayed"},
    {"db", "recovery committed"},
    {"db", "checkpoint: segment.link"},
    {"db", "manifest rewrite: manifest_temp.write"},
    {"db", "checkpoint: directory_sync"},
    {"db", "checkpoint: other.rename"},
    {"db", "ingestion: segment.create"},
    {"db", "ingestion: segment.write"},
    {"db", "ingestion: segment.sync"},
    {"flush", "flush: segment.create"},
    {"flush", "flush: segment.write"},
    {"flush", "flush: segment.sync"},
    {"flush", "flush: directory_sync"},
    {"flush", "flush published"},
    {"flush", "manifest root: manifest.root"},
    {"compaction", "compaction: segment.create"},
    {"compaction", "compaction: segment.write"},
    {"compaction", "compaction: segment.sync"},
    {"compaction", "compaction: directory_sync"},
    {"compaction", "compaction published"},
    {"compaction", "unlink: segment.unlink"},
    {"checkpoint", "checkpoint: segment.link"},
    {"checkpoint", "checkpoint: directory_sync"},
    {"checkpoint", "checkpoint: other.rename"},
    {"recovery", "open: directory_sync"},
    {"recovery", "manifest open: manifest.root"},
    {"recovery", "recovery flush: segment.create"},
    {"recovery", "recovery flush: segment.write"},
    {"recovery", "recovery flush: segment.sync"},
    {"recovery", "recovery flush: directory_sync"},
    {"recovery", "recovery replayed"},
    {"recovery", "recovery committed"},
    {"evict", "eviction chosen"},
    {"evict", "evict: manifest.root"},
    {"evict", "evict: manifest.sync"},
    {"evict", "eviction published"},
    {"evict", "eviction sealed"},
    {"evict", "salvage: segment.create"},
    {"evict", "salvage: segment.write"},
    {"evict", "salvage: segment.sync"},
    {"evict", "salvage: ghost.create"},
    {"evict", "salvage: ghost.write"},
    {"evict", "salvage: ghost.sync"},
    {"evict", "salvage: directory_sync"},
    {"evict", "salvage: manifest.root"},
    {"evict", "salvage: manifest.sync"},
    {"evict", "salvage published"},
    {"evict", "unlink: segment.unlink"},
    {"evict", "unlink: ghost.unlink"},
    {"evict", "flush: ghost.create"},
    {"evict", "flush: ghost.write"},
    {"evict", "flush: ghost.sync"},
    {"evict", "compaction: ghost.write"},
    {"evict", "recovery flush: ghost.write"},
    {"evict", "recovery committed"},
    {"evict", "checkpoint: segment.link"},
    {"evict", "checkpoint: ghost.link"},
    {"evict", "checkpoint: directory_sync"},
    {"evict", "checkpoint: other.rename"},
};

constexpr const char* kFaults[] = {"kill", "torn", "drop",  "keep", "only", "but", "set",
                                   "rnd",  "sec",  "pages", "root", "flip", "move"};

}  // namespace

std::vector<std::string> AllMatrices() {
  return {"db",       "wal",   "evict",      "manifest", "flush", "evict",    "wal",   "compaction",
          "manifest", "evict", "checkpoint", "recovery", "evict", "manifest", "faults"};
}
std::span<const Site> Sites() { return kSites; }
std::span<const char* const> Faults() { return kFaults; }

std::vector<std::string> UnhitSites(const RunnerOptions& options, const RunnerReport& report) {
  std::set<std::string> hit;
  for (const auto& [place, cell] : report.cells) {
    if (cell.images > 0) hit.insert(place.first);
  }
  std::vector<std::string> unhit;
  for (const Site& site : kSites) {
    if (std::find(options.matrices.begin(), options.matrices.end(), site.matrix) ==
        options.matrices.end()) {
      continue;
    }
    std::string place = std::string(site.matrix) + " " + site.place;
    if (hit.count(place) == 0) unhit.push_back(std::move(place));
  }
  return unhit;
}

}  // namespace varve::crash
