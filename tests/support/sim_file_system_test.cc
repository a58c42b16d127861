#include "tests/support/sim_file_system.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

// The simulated disk is worth as much as it is strict: each test shows an outcome of a crash that a
// lenient one would never produce, or that something synced survives all outcomes.

namespace varve {
namespace {

std::shared_ptr<SimFileSystem> Make(bool record = false) {
  auto fs = SimFileSystem::New({.seed = 3, .record = record});
  EXPECT_TRUE(fs->CreateDirectory("/db").ok());
  EXPECT_TRUE(fs->SyncDirectory("/").ok());
  return fs;
}

std::unique_ptr<WritableFile> Create(SimFileSystem* fs, const std::string& path) {
  std::unique_ptr<WritableFile> file;
  EXPECT_TRUE(fs->NewWritableFile(path, 0, &file).ok());
  return file;
}

// A file with `content`, its name and its bytes durable.
void MakeDurable(SimFileSystem* fs, const std::string& path, const std::string& content) {
  auto file = Create(fs, path);
  EXPECT_TRUE(file->Append(content).ok());
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_TRUE(fs->SyncDirectory("/db").ok());
}

// What a path holds on `disk`; "-" if it does not exist.
std::string On(const SimDisk& disk, const std::string& path) {
  const InodeNumber inode = disk.Find(path);
  if (inode == 0) return "-";
  std::string bytes(disk.Size(inode), '?');
  bytes.resize(disk.Read(inode, 0, bytes.size(), bytes.data()));
  return bytes;
}

// Everything that random power losses leave at `path`.
std::set<std::string> Outcomes(const SimDisk& disk, const std::string& path, int tries = 400) {
  std::set<std::string> seen;
  for (int i = 0; i < tries; ++i) {
    seen.insert(On(disk.PowerLoss(SimLoss::Random(static_cast<uint64_t>(i))), path));
  }
  return seen;
}

TEST(SimFileSystem, NameNotSyncedCanVanishThoughTheFileWasSynced) {
  auto fs = Make();
  auto file = Create(fs.get(), "/db/a");
  ASSERT_TRUE(file->Append("content").ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(On(fs->disk().PowerLoss(SimLoss::DropAll()), "/db/a"), "-");
  EXPECT_EQ(Outcomes(fs->disk(), "/db/a"), (std::set<std::string>{"-", "content"}));
  ASSERT_TRUE(fs->SyncDirectory("/db").ok());
  EXPECT_EQ(Outcomes(fs->disk(), "/db/a"), (std::set<std::string>{"content"}));
}

TEST(SimFileSystem, DirectorySyncDoesNotSyncTheFile) {
  auto fs = Make();
  auto file = Create(fs.get(), "/db/a");
  ASSERT_TRUE(file->Append("content").ok());
  ASSERT_TRUE(fs->SyncDirectory("/db").ok());
  EXPECT_EQ(On(fs->disk().PowerLoss(SimLoss::DropAll()), "/db/a"), "");
}

TEST(SimFileSystem, DirectoryNotSyncedInItsParentTakesAllWithIt) {
  auto fs = SimFileSystem::New();
  ASSERT_TRUE(fs->CreateDirectory("/db").ok());
  MakeDurable(fs.get(), "/db/a", "content");
  EXPECT_EQ(On(fs->disk().PowerLoss(SimLoss::DropAll()), "/db/a"), "-");
  ASSERT_TRUE(fs->SyncDirectory("/").ok());
  EXPECT_EQ(On(fs->disk().PowerLoss(SimLoss::DropAll()), "/db/a"), "content");
}

TEST(SimFileSystem, RenameWithoutDirectorySyncMayShowEither) {
  auto fs = Make();
  MakeDurable(fs.get(), "/db/a", "old");
  MakeDurable(fs.get(), "/db/t", "new");
  ASSERT_TRUE(fs->RenameFile("/db/t", "/db/a").ok());
  EXPECT_EQ(Outcomes(fs->disk(), "/db/a"), (std::set<std::string>{"old", "new"}));
  for (uint64_t i = 0; i < 100; ++i) {  // and the temporary name goes with it, or neither
    const SimDisk after = fs->disk().PowerLoss(SimLoss::Random(i));
    EXPECT_EQ(On(after, "/db/t") == "-", On(after, "/db/a") == "new");
  }
  ASSERT_TRUE(fs->SyncDirectory("/db").ok());
  EXPECT_EQ(Outcomes(fs->disk(), "/db/a"), (std::set<std::string>{"new"}));
}

TEST(SimFileSystem, UnlinkWithoutDirectorySyncMayComeBack) {
  auto fs = Make();
  MakeDurable(fs.get(), "/db/a", "content");
  ASSERT_TRUE(fs->RemoveFile("/db/a").ok());
  EXPECT_EQ(On(fs->disk().Kill(), "/db/a"), "-");
  EXPECT_EQ(Outcomes(fs->disk(), "/db/a"), (std::set<std::string>{"-", "content"}));
}

TEST(SimFileSystem, NamesReachTheDiskInAnyOrder) {
  auto fs = Make();
  auto a = Create(fs.get(), "/db/a"), b = Create(fs.get(), "/db/b");
  std::set<std::string> seen;
  for (uint64_t i = 0; i < 200; ++i) {
    const SimDisk after = fs->disk().PowerLoss(SimLoss::Random(i));
    seen.insert(std::string(after.Find("/db/a") ? "a" : "") + (after.Find("/db/b") ? "b" : ""));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"", "a", "b", "ab"}));
}

TEST(SimFileSystem, SizeWithoutDataAndDataWithoutSize) {
  auto fs = Make();
  auto file = Create(fs.get(), "/db/a");
  ASSERT_TRUE(fs->SyncDirectory("/db").ok());
  ASSERT_TRUE(file->Append("content").ok());
  ASSERT_EQ(fs->disk().PendingCount(), 2u) << fs->disk().DescribePending();
  const std::string zeros(7, '\0');
  std::set<std::string> seen;
  for (uint64_t mask = 0; mask < 4; ++mask) {
    seen.insert(On(fs->disk().PowerLoss(SimLoss::Subset(mask)), "/db/a"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"", zeros, "content"}));
  EXPECT_GT(Outcomes(fs->disk(), "/db/a").size(), 3u);  // and garbage
}

TEST(SimFileSystem, SectorsReachTheDiskInAnyOrderAndVersion) {
  auto fs = Make();
  MakeDurable(fs.get(), "/db/a", std::string(1024, 'a'));
  std::unique_ptr<RandomRWFile> file;
  ASSERT_TRUE(fs->NewRandomRWFile("/db/a", false, &file).ok());
  ASSERT_TRUE(file->Write(0, std::string(1024, 'b')).ok());
  ASSERT_TRUE(file->Write(512, std::string(512, 'c')).ok());
  std::set<std::string> seen;
  for (const std::string& bytes : Outcomes(fs->disk(), "/db/a", 3000)) {
    std::string shape;
    for (int sector = 0; sector < 2; ++sector) {
      const std::string part = bytes.substr(sector * 512, 512);
      const bool plain = part.find_first_not_of(part[0]) == std::string::npos;
      shape += !plain ? '?' : part[0] == 0 ? '0' : part[0];
    }
    seen.insert(shape);
  }
  for (const char* shape : {"aa", "ab", "ac", "ba", "bb", "bc", "a0", "0a", "?a", "a?"}) {
    EXPECT_EQ(seen.count(shape), 1u) << shape << " of " << testing::PrintToString(seen);
  }
  EXPECT_EQ(seen.count("ca"), 0u);
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(fs->disk().PendingCount(), 0u);
}

TEST(SimFileSystem, WriteDuringSyncIsNotCovered) {
  auto fs = Make(/*record=*/true);
  MakeDurable(fs.get(), "/db/a", "one");
  SimDisk disk = fs->disk();
  SimOp op{.kind = SimOpKind::kSyncBegin};
  op.inode = disk.Find("/db/a");
  disk.Apply(op);
  const uint64_t begin = disk.clock();
  SimOp write = op;
  write.kind = SimOpKind::kWrite;
  write.data = std::make_shared<const std::string>("two");
  disk.Apply(write);
  op.kind = SimOpKind::kSyncEnd;
  op.begin = begin;
  disk.Apply(op);
  EXPECT_EQ(On(disk.PowerLoss(SimLoss::DropAll()), "/db/a"), "one");
  EXPECT_EQ(On(disk.Kill(), "/db/a"), "two");
}

TEST(SimFileSystem, WhatATruncationCutNeverComesBackWithTheLength) {
  auto fs = Make();
  MakeDurable(fs.get(), "/db/a", std::string(9000, 'a'));
  std::unique_ptr<RandomRWFile> file;
  ASSERT_TRUE(fs->NewRandomRWFile("/db/a", false, &file).ok());
  ASSERT_TRUE(file->Truncate(100).ok());
  ASSERT_TRUE(file->Write(8000, "b").ok());
  ASSERT_TRUE(file->Sync().ok());
  const std::string bytes = On(fs->disk().PowerLoss(SimLoss::DropAll()), "/db/a");
  EXPECT_EQ(bytes, std::string(100, 'a') + std::string(7900, '\0') + "b");
}

TEST(SimFileSystem, FailedSyncLeavesEveryFate) {
  bool lost_in_cache = false, durable = false, dirty = false, clean = false;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    auto fs = SimFileSystem::New({.seed = seed});
    ASSERT_TRUE(fs->CreateDirectory("/db").ok());
    ASSERT_TRUE(fs->SyncDirectory("/").ok());
    MakeDurable(fs.get(), "/db/a", "old");
    std::unique_ptr<RandomRWFile> file;
    ASSERT_TRUE(fs->NewRandomRWFile("/db/a", false, &file).ok());
    ASSERT_TRUE(file->Write(0, "new").ok());
    fs->InjectFault({.calls = kSimSync});
    const Status s = file->Sync();
    ASSERT_TRUE(s.IsIOError()) << s.ToString();
    EXPECT_NE(s.message().find("/db/a"), std::string_view::npos);
    ASSERT_EQ(fs->calls_failed(), 1u);
    const SimDisk disk = fs->disk();
    const std::string cached = On(disk, "/db/a");
    const std::string after = On(disk.PowerLoss(SimLoss::KeepAll()), "/db/a");
    lost_in_cache |= cached == "old";
    durable |= disk.PendingCount() == 0 && after == "new";
    dirty |= disk.PendingCount() == 1;
    clean |= disk.PendingCount() == 0 && cached == "new" && after == "old";
    if (disk.PendingCount() == 0 && cached == "new" && after == "old") {
      ASSERT_TRUE(file->Sync().ok());  // a second sync "succeeds" and proves nothing
      EXPECT_EQ(On(fs->disk().PowerLoss(SimLoss::DropAll()), "/db/a"), "old");
    }
  }
  EXPECT_TRUE(lost_in_cache && durable && dirty && clean);
}

TEST(SimFileSystem, UnlinkedFileStaysReadableWhileOpen) {
  auto fs = Make();
  MakeDurable(fs.get(), "/db/a", "content");
  std::unique_ptr<RandomAccessFile> file;
  ASSERT_TRUE(fs->NewRandomAccessFile("/db/a", false, &file).ok());
  ASSERT_TRUE(fs->RemoveFile("/db/a").ok());
  ASSERT_TRUE(fs->SyncDirectory("/db").ok());
  char buffer[7];
  size_t n = 0;
  ASSERT_TRUE(file->Read(0, 7, buffer, &n).ok());
  EXPECT_EQ(std::string(buffer, n), "content");
  EXPECT_EQ(fs->open_files(), 1);
  EXPECT_TRUE(fs->NewRandomAccessFile("/db/a", false, &file).IsNotFound());
}

TEST(SimFileSystem, RenameMovesAnOpenFileWithItsName) {
  auto fs = Make();
  std::unique_ptr<LogFile> log;
  ASSERT_TRUE(fs->NewLogFile("/db/1.log", {.capacity = 8192}, &log).ok());
  ASSERT_TRUE(log->Copy(0, "first").ok());
  log.reset();
  std::unique_ptr<LogFile> again;
  EXPECT_TRUE(
      fs->ReuseLogFile("/db/1.log", "/db/2.log", {.capacity = 4096}, &again).IsInvalidArgument());
  ASSERT_TRUE(fs->ReuseLogFile("/db/1.log", "/db/2.log", {.capacity = 8192}, &again).ok());
  ASSERT_TRUE(again->Copy(5, " second").ok());
  EXPECT_EQ(fs->ReadAll("/db/2.log").substr(0, 12), "first second");
  EXPECT_EQ(On(fs->disk(), "/db/1.log"), "-");
}

TEST(SimFileSystem, NewLogIsZeroedAndSyncedButItsNameIsNot) {
  auto fs = Make();
  std::unique_ptr<LogFile> log;
  ASSERT_TRUE(fs->NewLogFile("/db/1.log", {.capacity = 8192}, &log).ok());
  EXPECT_TRUE(log->mapped());
  EXPECT_EQ(Outcomes(fs->disk(), "/db/1.log"),
            (std::set<std::string>{"-", std::string(8192, '\0')}));
  ASSERT_TRUE(fs->SyncDirectory("/db").ok());
  ASSERT_TRUE(log->Copy(4090, std::string(12, 'x')).ok());
  std::set<std::string> seen;  // a copy across two sectors tears between them
  for (uint64_t i = 0; i < 4; ++i) {
    seen.insert(On(fs->disk().PowerLoss(SimLoss::Subset(i)), "/db/1.log").substr(4090, 12));
  }
  EXPECT_EQ(seen.size(), 4u);
}

TEST(SimFileSystem, TornWritesAreCutAtSectorsAndMappedOnesAtLines) {
  auto fs = Make();
  MakeDurable(fs.get(), "/db/a", std::string(2048, 'a'));
  SimOp op{.kind = SimOpKind::kWrite};
  op.inode = fs->disk().Find("/db/a");
  op.offset = 100;
  op.data = std::make_shared<const std::string>(1000, 'b');
  ASSERT_EQ(SimDisk::SectorsOf(op), 3u);
  for (uint64_t tear = 0; tear < 3; ++tear) {
    SimDisk disk = fs->disk();
    disk.ApplyTorn(op, tear);
    const std::string bytes = On(disk, "/db/a");
    EXPECT_EQ(std::count(bytes.begin(), bytes.end(), 'b'), tear == 0 ? 0 : int(tear) * 512 - 100);
  }
  op.mapped = true;
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk = fs->disk();
    disk.ApplyTorn(op, seed);
    seen.insert(On(disk, "/db/a"));
    const std::string bytes = *seen.begin();
    for (size_t line = 128; line + 64 < 1100; line += 64) {
      EXPECT_EQ(bytes.substr(line, 64), std::string(64, bytes[line]));
    }
  }
  EXPECT_GT(seen.size(), 40u);
}

TEST(SimFileSystem, KillKeepsAllThatIsCachedAndItsUncertainty) {
  auto fs = Make();
  MakeDurable(fs.get(), "/db/t", "new");
  ASSERT_TRUE(fs->RenameFile("/db/t", "/db/a").ok());
  auto next = SimFileSystem::New({}, fs->disk().Kill());
  EXPECT_EQ(next->ReadAll("/db/a"), "new");
  // The name is still only cached: the next process may lose it to a power cut.
  EXPECT_EQ(On(next->disk().PowerLoss(SimLoss::DropAll()), "/db/a"), "-");
  EXPECT_EQ(On(next->disk().PowerLoss(SimLoss::DropAll()), "/db/t"), "new");
}

TEST(SimFileSystem, ReplayGivesTheDiskAtEveryBoundary) {
  auto fs = Make(/*record=*/true);
  std::map<uint64_t, SimDisk> disks;
  auto file = Create(fs.get(), "/db/a");
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(file->Append(std::string(300, static_cast<char>('a' + i % 26))).ok());
    if (i % 7 == 0) {
      ASSERT_TRUE(file->Sync().ok());
    }
    if (i % 11 == 0) {
      fs->InjectFault({.calls = kSimSync});
      ASSERT_TRUE(file->Sync().IsIOError());
    }
    if (i == 20) {
      ASSERT_TRUE(fs->RenameFile("/db/a", "/db/b").ok());
    }
    if (i == 30) {
      ASSERT_TRUE(fs->SyncDirectory("/db").ok());
    }
    disks.emplace(fs->op_count(), fs->disk());
  }
  SimReplay replay(&fs->history());
  for (const auto& [position, disk] : disks) {
    replay.AdvanceTo(position);
    EXPECT_EQ(replay.disk().CachedHash(), disk.CachedHash()) << position;
    EXPECT_EQ(replay.disk().PendingCount(), disk.PendingCount()) << position;
    for (uint64_t seed = 0; seed < 5; ++seed) {
      EXPECT_EQ(replay.disk().PowerLoss(SimLoss::Random(seed)).CachedHash(),
                disk.PowerLoss(SimLoss::Random(seed)).CachedHash());
    }
  }
  EXPECT_TRUE(replay.AtEnd());
}

TEST(SimFileSystem, CopiesOfADiskDoNotTouchEachOther) {
  auto fs = Make();
  MakeDurable(fs.get(), "/db/a", std::string(5000, 'a'));
  const SimDisk before = fs->disk();
  const uint64_t hash = before.CachedHash();
  auto other = SimFileSystem::New({.track = false}, before);
  std::unique_ptr<RandomRWFile> file, second;
  ASSERT_TRUE(other->NewRandomRWFile("/db/a", false, &file).ok());
  ASSERT_TRUE(file->Write(4000, std::string(500, 'b')).ok());
  ASSERT_TRUE(fs->NewRandomRWFile("/db/a", false, &second).ok());
  ASSERT_TRUE(second->Write(0, "c").ok());
  EXPECT_EQ(before.CachedHash(), hash);
  EXPECT_NE(other->disk().CachedHash(), hash);
  EXPECT_NE(fs->disk().CachedHash(), hash);
  EXPECT_EQ(other->ReadAll("/db/a"),
            std::string(4000, 'a') + std::string(500, 'b') + std::string(500, 'a'));
}

TEST(SimFileSystem, EqualDisksHaveEqualHashes) {
  auto fs = Make();
  MakeDurable(fs.get(), "/db/a", "x");
  auto file = Create(fs.get(), "/db/b");
  ASSERT_TRUE(file->Append("x").ok());
  const SimDisk disk = fs->disk();
  EXPECT_EQ(disk.Kill().CachedHash(), disk.PowerLoss(SimLoss::KeepAll()).CachedHash());
  EXPECT_NE(disk.Kill().CachedHash(), disk.PowerLoss(SimLoss::DropAll()).CachedHash());
}

TEST(SimFileSystem, NthFaultOnceAndForGood) {
  auto fs = Make();
  auto file = Create(fs.get(), "/db/a");
  fs->InjectFault({.calls = kSimWrite, .nth = 2});
  EXPECT_TRUE(file->Append("one").ok());
  EXPECT_TRUE(file->Append("two").IsIOError());
  EXPECT_TRUE(file->Append("three").ok());
  EXPECT_EQ(fs->calls_counted(), 3u);
  fs->InjectFault({.calls = kSimWrite, .nth = 2, .forever = true, .code = Status::Code::kNoSpace});
  EXPECT_TRUE(file->Append("one").ok());
  EXPECT_TRUE(file->Append("two").IsNoSpace());
  EXPECT_TRUE(file->Append("three").IsNoSpace());
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_EQ(fs->calls_failed(), 2u);
  fs->ClearFault();
  EXPECT_TRUE(file->Append("four").ok());
}

TEST(SimFileSystem, FullDeviceRefusesAndCountsUnlinkedFiles) {
  auto fs = SimFileSystem::New({.capacity_bytes = 4 * 4096});
  auto a = Create(fs.get(), "/a");
  ASSERT_TRUE(a->Append(std::string(2 * 4096, 'a')).ok());
  auto b = Create(fs.get(), "/b");
  EXPECT_TRUE(b->Append(std::string(3 * 4096, 'b')).IsNoSpace());
  ASSERT_TRUE(fs->RemoveFile("/a").ok());
  EXPECT_TRUE(b->Append(std::string(3 * 4096, 'b')).IsNoSpace());
  a.reset();
  EXPECT_TRUE(b->Append(std::string(3 * 4096, 'b')).ok());
  uint64_t free = 0;
  ASSERT_TRUE(fs->GetFreeSpace("/", &free).ok());
  EXPECT_EQ(free, 4096u);
  EXPECT_EQ(fs->used_bytes_max(), 3 * 4096u);
}

TEST(SimFileSystem, LockIsExclusiveAndItsFileStays) {
  auto fs = Make();
  std::unique_ptr<FileLock> first, second;
  ASSERT_TRUE(fs->LockFile("/db/LOCK", &first).ok());
  const Status s = fs->LockFile("/db/LOCK", &second);
  EXPECT_TRUE(s.IsBusy());
  EXPECT_NE(s.message().find("/db/LOCK"), std::string_view::npos);
  first.reset();
  EXPECT_TRUE(fs->LockFile("/db/LOCK", &second).ok());
  std::vector<std::string> names;
  ASSERT_TRUE(fs->ListDirectory("/db", &names).ok());
  EXPECT_EQ(names, std::vector<std::string>{"LOCK"});
}

TEST(SimFileSystem, FrozenFileSystemChangesNothing) {
  auto fs = Make();
  auto file = Create(fs.get(), "/db/a");
  fs->Freeze();
  EXPECT_TRUE(file->Append("x").IsIOError());
  EXPECT_TRUE(file->Sync().IsIOError());
  EXPECT_TRUE(fs->RemoveFile("/db/a").IsIOError());
  EXPECT_EQ(On(fs->disk(), "/db/a"), "");
}

TEST(SimLoss, TextRoundTrip) {
  for (const SimLoss& loss : {SimLoss::DropAll(), SimLoss::KeepAll(), SimLoss::Only(12),
                              SimLoss::AllBut(3), SimLoss::Subset(0xabc), SimLoss::Random(~0ull)}) {
    SimLoss parsed;
    ASSERT_TRUE(SimLoss::Parse(loss.ToString(), &parsed)) << loss.ToString();
    EXPECT_EQ(parsed.kind, loss.kind);
    EXPECT_EQ(parsed.argument, loss.argument);
  }
  SimLoss parsed;
  for (const char* bad : {"", "dropx", "only", "setxyz", "rnd5 "}) {
    EXPECT_FALSE(SimLoss::Parse(bad, &parsed)) << bad;
  }
}

// Checklist E13.
TEST(SimFileSystem, WatchesWhatADirectoryTakesAtEveryMoment) {
  const auto fs = Make();
  ASSERT_TRUE(fs->CreateDirectory("/elsewhere").ok());
  ASSERT_TRUE(Create(fs.get(), "/elsewhere/a")->Append(std::string(100 * kSimPageBytes, 'a')).ok());
  ASSERT_TRUE(Create(fs.get(), "/db/a")->Append(std::string(kSimPageBytes + 1, 'a')).ok());
  fs->WatchDirectory("/db");
  EXPECT_EQ(fs->TakeWatchedBytesMax(), 2 * kSimPageBytes);
  // A further name takes nothing, one in another directory neither.
  ASSERT_TRUE(fs->LinkFile("/db/a", "/db/b").ok());
  ASSERT_TRUE(fs->LinkFile("/db/a", "/elsewhere/b").ok());
  EXPECT_EQ(fs->TakeWatchedBytesMax(), 2 * kSimPageBytes);
  // What was taken only for a while counts, and what is open without a name.
  std::unique_ptr<WritableFile> file = Create(fs.get(), "/db/c");
  ASSERT_TRUE(file->Append(std::string(3 * kSimPageBytes, 'c')).ok());
  ASSERT_TRUE(fs->RemoveFile("/db/c").ok());
  EXPECT_EQ(fs->TakeWatchedBytesMax(), 5 * kSimPageBytes);
  EXPECT_EQ(fs->TakeWatchedBytesMax(), 5 * kSimPageBytes);
  file.reset();
  EXPECT_EQ(fs->TakeWatchedBytesMax(), 5 * kSimPageBytes);
  EXPECT_EQ(fs->TakeWatchedBytesMax(), 2 * kSimPageBytes);
}

}  // namespace
}  // namespace varve
