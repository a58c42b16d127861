#ifndef VARVE_TESTS_DB_GHOST_FIXTURE_H_
#define VARVE_TESTS_DB_GHOST_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "db/db_impl.h"
#include "db/manifest.h"
#include "tests/db/sim_database.h"
#include "tests/support/fault_file_system.h"
#include "util/filename.h"
#include "util/mutex.h"

namespace varve {

// Where a thread waits until it is let go, and another until it has come.
class Gate {
 public:
  // For the thread that is to wait.
  void Pass() {
    MutexLock lock(&mu_);
    arrived_ = true;
    changed_.SignalAll();
    while (!open_) changed_.Wait(&mu_);
  }
  void AwaitArrival() {
    MutexLock lock(&mu_);
    while (!arrived_) changed_.Wait(&mu_);
  }
  void Open() {
    MutexLock lock(&mu_);
    open_ = true;
    changed_.SignalAll();
  }

 private:
  Mutex mu_;
  CondVar changed_;
  bool arrived_ GUARDED_BY(mu_) = false;
  bool open_ GUARDED_BY(mu_) = false;
};

// A cache of few keys on a simulated disk, which the histories of docs/cache.md are played on: the
// segment of the n-th flush is evicted by `Evict({n})`. Keys are numbers; all four ways to read
// give the newest value of a key, or nothing.
class GhostTest : public ::testing::Test {
 protected:
  static constexpr int kKeys = 6;
  static constexpr char kDirectory[] = "/db";

  GhostTest() : disk_(SimFileSystem::New({.track = false})), faults_(FaultFileSystem::New(disk_)) {
    options_ = SimDatabaseOptions(faults_);
    options_.capacity_bytes = uint64_t{1} << 30;
    options_.compaction_style = CompactionStyle::kNone;
  }
  ~GhostTest() override {
    faults_->RemoveAll();
    db_.reset();
  }

  void Open() {
    const Status status = DB::Open(options_, kDirectory, &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
    Note();
  }
  DBImpl* impl() { return static_cast<DBImpl*>(db_.get()); }
  void Close() {
    const Status status = db_->Close();
    ASSERT_TRUE(status.ok()) << status.ToString();
    db_.reset();
    EXPECT_EQ(LiveFiles(), "OK");
  }
  void Reopen() {
    Close();
    Open();
  }

  static std::string Key(int key) { return "key" + std::to_string(key); }
  void Put(int key, const std::string& filler = "") {
    newest_[key] = "v" + std::to_string(++writes_) + filler;
    ASSERT_TRUE(db_->Put({}, Key(key), newest_[key]).ok());
  }
  void Delete(int key) {
    newest_[key].clear();
    ASSERT_TRUE(db_->Delete({}, Key(key)).ok());
  }
  // Keys [low, high).
  void DeleteRange(int low, int high) {
    for (int key = low; key < high; ++key) newest_[key].clear();
    ASSERT_TRUE(db_->DeleteRange({}, Key(low), Key(high)).ok());
  }
  void Flush() {
    ASSERT_TRUE(db_->Flush().ok());
    Note();
  }

  // A segment of puts of these keys.
  void FlushOf(std::initializer_list<int> keys) {
    for (const int key : keys) Put(key);
    Flush();
  }

  // The live segment of the n-th flush, or what was merged in its place; 0 if there is none.
  FileNumber Segment(size_t flush) {
    const auto live = Live("segment");
    const auto found = live.find(epochs_.at(flush - 1));
    return found == live.end() ? 0 : found->second;
  }
  FileNumber GhostNumber(size_t flush) {
    const auto live = Live("ghost");
    const auto found = live.find(epochs_.at(flush - 1));
    return found == live.end() ? 0 : found->second;
  }
  Status TryEvict(const std::vector<size_t>& flushes,
                  EvictionReason reason = EvictionReason::kRoom) {
    std::vector<FileNumber> numbers;
    for (const size_t flush : flushes) numbers.push_back(Segment(flush));
    return impl()->Evict(numbers, reason, &evicted_);
  }
  void Evict(const std::vector<size_t>& flushes) {
    const Status status = TryEvict(flushes);
    ASSERT_TRUE(status.ok()) << status.ToString();
    ASSERT_EQ(evicted_.segments, flushes.size());
  }
  // All that overlaps is merged, all that does not is rewritten in its place.
  void Merge() {
    CompactRangeOptions options;
    options.rewrite_deepest = true;
    const Status status = db_->CompactRange(options, std::nullopt, std::nullopt);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  uint64_t Property(const std::string& name) {
    uint64_t value = 0;
    EXPECT_TRUE(db_->GetIntProperty("varve." + name, &value)) << name;
    return value;
  }
  uint64_t Ghosts() { return Property("num-ghosts"); }
  uint64_t Counted(Counter counter) { return options_.statistics->Get(counter); }
  // What background work owes is done.
  void AwaitQuiet() {
    while (Property("num-running-compactions") != 0) SleepFor(1'000'000);
  }
  void AwaitGhosts(uint64_t count) {
    while (Ghosts() != count) SleepFor(1'000'000);
  }

  // What is read: "1=v3 4=v7", which all ways agree on.
  std::string Read(const ReadOptions& options = {}) { return ReadOf(db_.get(), options); }
  static std::string ReadOf(DB* db, const ReadOptions& options = {}) {
    std::map<int, std::string> got, many, forward, backward;
    std::vector<std::string> names;
    for (int key = 0; key < kKeys; ++key) names.push_back(Key(key));
    const std::vector<Slice> keys(names.begin(), names.end());
    std::vector<PinnedValue> values(kKeys);
    std::vector<Status> statuses(kKeys);
    db->MultiGet(options, keys, values, statuses);
    for (int key = 0; key < kKeys; ++key) {
      std::string value;
      const Status status = db->Get(options, names[key], &value);
      if (status.ok()) got[key] = value;
      EXPECT_TRUE(status.ok() || status.IsNotFound()) << status.ToString();
      if (statuses[key].ok()) many[key] = values[key].slice();
      EXPECT_TRUE(statuses[key].ok() || statuses[key].IsNotFound()) << statuses[key].ToString();
    }
    const auto it = db->NewIterator(options);
    const auto number = [&] { return std::stoi(std::string(it->key().substr(3))); };
    for (it->SeekToFirst(); it->Valid(); it->Next()) forward[number()] = it->value();
    EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    for (it->SeekToLast(); it->Valid(); it->Prev()) backward[number()] = it->value();
    EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    for (int key = 0; key < kKeys; ++key) {
      it->Seek(names[key]);
      const bool found = it->Valid() && it->key() == names[key];
      EXPECT_EQ(found, got.count(key) != 0) << "Seek " << key;
      it->SeekForPrev(names[key]);
      EXPECT_EQ(it->Valid() && it->key() == names[key], found) << "SeekForPrev " << key;
    }
    EXPECT_EQ(many, got) << "MultiGet";
    EXPECT_EQ(forward, got) << "forward";
    EXPECT_EQ(backward, got) << "backward";
    std::string text;
    for (const auto& [key, value] : got) {
      text += (text.empty() ? "" : " ") + std::to_string(key) + "=" + value;
    }
    return text;
  }
  // That no read gives anything but the newest.
  void ExpectNothingStale() {
    std::istringstream found(Read());
    for (std::string word; found >> word;) {
      const int key = std::stoi(word);
      EXPECT_EQ(word.substr(word.find('=') + 1), newest_[key]) << "key " << key;
    }
  }

  // "OK" if the directory of a closed cache holds what the manifest names, and nothing else but
  // logs that recovery reads or that wait to be used again.
  std::string LiveFiles() const { return LiveFiles(disk_.get(), kDirectory); }
  static std::string LiveFiles(FileSystem* file_system, const std::string& directory) {
    ManifestState state;
    const Status status = Manifest::Inspect(file_system, directory, &state);
    if (!status.ok()) return status.ToString();
    std::vector<std::string> names;
    EXPECT_TRUE(file_system->ListDirectory(directory, &names).ok());
    std::set<NumberedFile> missing;
    for (const SegmentEntry& entry : state.segments) {
      for (const NumberedFile& file : FilesOf(entry)) missing.insert(file);
    }
    for (const std::string& name : names) {
      FileNumber number;
      FileType type;
      if (!ParseFileName(name, &number, &type)) return "unknown: " + name;
      const bool numbered = type == FileType::kSegment || type == FileType::kGhost;
      if (numbered && missing.erase({type, number}) == 0) return "not live: " + name;
    }
    return missing.empty() ? "OK" : "missing: " + FileName(directory, *missing.begin());
  }
  bool Exists(const std::string& path) const {
    FileInfo info;
    return disk_->GetFileInfo(path, &info).ok();
  }
  std::string GhostPath(FileNumber number) const { return GhostFileName(kDirectory, number); }
  std::string SegmentPath(FileNumber number) const { return SegmentFileName(kDirectory, number); }
  // The entry of the manifest in the closed or open directory.
  std::optional<SegmentEntry> ManifestEntry(FileNumber number) const {
    ManifestState state;
    EXPECT_TRUE(Manifest::Inspect(disk_.get(), kDirectory, &state).ok());
    for (const SegmentEntry& entry : state.segments) {
      if (entry.number == number) return entry;
    }
    return std::nullopt;
  }

  std::shared_ptr<SimFileSystem> disk_;
  std::shared_ptr<FaultFileSystem> faults_;
  Options options_;
  std::unique_ptr<DB> db_;
  DBImpl::Evicted evicted_;
  std::map<int, std::string> newest_;  // "": deleted
  std::vector<uint64_t> epochs_;       // of the flushes

 private:
  // Numbers by epoch, of siblings the first, of lines such as "segment 7: level 0, epoch 5, …".
  std::map<uint64_t, FileNumber> Live(const std::string& what) {
    std::string text;
    EXPECT_TRUE(db_->GetProperty("varve.segments", &text));
    std::map<uint64_t, FileNumber> live;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind(what + " ", 0) != 0) continue;
      const uint64_t epoch = std::stoull(line.substr(line.find("epoch ") + 6));
      const FileNumber number = std::stoull(line.substr(what.size() + 1));
      const auto [first, fresh] = live.emplace(epoch, number);
      if (!fresh) first->second = std::min(first->second, number);
    }
    return live;
  }
  void Note() {
    for (const auto& [epoch, number] : Live("segment")) {
      if (epochs_.empty() || epoch > epochs_.back()) epochs_.push_back(epoch);
    }
  }

  int writes_ = 0;
};

}  // namespace varve

#endif  // VARVE_TESTS_DB_GHOST_FIXTURE_H_
