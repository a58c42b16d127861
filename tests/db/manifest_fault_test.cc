#include "tests/db/manifest_fixture.h"

// The Nth call fails: of a commit, a seal, a rewrite, a creation, an opening. Whatever the answer,
// nothing half done is published, and the next opening finds one of the two states.

namespace varve {
namespace {

constexpr uint32_t kCalls = kSimCreate | kSimOpen | kSimRead | kSimWrite | kSimSync | kSimTruncate |
                            kSimRename | kSimRemove | kSimDirectorySync | kSimInfo;

class ManifestFaultTest : public ManifestTest {
 protected:
  // Long keys, so that each commit writes every kind of page.
  ManifestEdit NextEdit() {
    ManifestEdit edit;
    edit.added.push_back(MakeEntry(NewNumber(), 450));
    edit.added.push_back(MakeEntry(NewNumber(), 450));
    edit.added.push_back(MakeEntry(NewNumber(), 450));
    edit.added.push_back(MakeEntry(NewNumber(), 4500));
    if (!live_.empty()) edit.removed.push_back(live_.begin()->first);
    return edit;
  }
  static EntryMap After(EntryMap entries, const ManifestEdit& edit) {
    for (const FileNumber number : edit.removed) entries.erase(number);
    for (const SegmentEntry& e : edit.added) entries[e.number] = e;
    return entries;
  }
  EntryMap live_;
};

// Checklist N5.
TEST_F(ManifestFaultTest, AFailedCommitPublishesNothing) {
  Create();
  int poisoned = 0, unharmed = 0;
  for (const Status::Code code : {Status::Code::kIOError, Status::Code::kNoSpace}) {
    for (uint64_t nth = 1;; ++nth) {
      SCOPED_TRACE("call " + std::to_string(nth));
      const ManifestEdit edit = NextEdit();
      const ManifestStats before = manifest_->stats();
      const SequenceNumber limit = manifest_->sequence_limit();
      const FileNumber lowest_log = manifest_->lowest_log_needed();
      (void)manifest_->TakeReleased();
      fs_->InjectFault({.calls = kCalls, .nth = nth, .code = code});
      Status s = manifest_->Commit(edit);
      const uint64_t failed = fs_->calls_failed();
      fs_->ClearFault();
      if (failed == 0) {
        ASSERT_TRUE(s.ok()) << s.ToString();
        live_ = After(live_, edit);
        ASSERT_GE(nth, 5u);  // pages, sync, root, sync at least
        break;
      }
      ASSERT_EQ(s.code(), code) << s.ToString();
      EXPECT_EQ(manifest_->stats().generation, before.generation);
      EXPECT_EQ(manifest_->stats().segments, before.segments);
      EXPECT_EQ(manifest_->sequence_limit(), limit);
      EXPECT_EQ(manifest_->lowest_log_needed(), lowest_log);
      EXPECT_TRUE(manifest_->TakeReleased().empty());
      if (manifest_->poisoned().ok()) {
        // Only pages that nothing refers to were touched: the same edit may be tried again.
        ++unharmed;
        EXPECT_EQ(Inspected(), live_);
        ASSERT_TRUE(manifest_->Commit(edit).ok());
        live_ = After(live_, edit);
        EXPECT_EQ(Inspected(), live_);
        continue;
      }
      ++poisoned;
      const uint64_t ops = fs_->op_count();
      FileNumber number;
      EXPECT_EQ(manifest_->Commit(edit).code(), code);
      EXPECT_EQ(manifest_->Seal().code(), code);
      EXPECT_EQ(manifest_->NewFileNumber(&number).code(), code);
      EXPECT_EQ(manifest_->ReserveSequences(1).code(), code);
      EXPECT_EQ(manifest_->Close({}).code(), code);
      EXPECT_EQ(fs_->op_count(), ops);  // not one more byte
      Open();
      const EntryMap found = ToMap(state_.segments);
      EXPECT_TRUE(found == live_ || found == After(live_, edit));
      live_ = found;
    }
  }
  EXPECT_GE(poisoned, 4);
  EXPECT_GE(unharmed, 2);
}

// Checklist N1: after a failure past the rename nothing is committed to the orphan.
TEST_F(ManifestFaultTest, AFailedRewriteLeavesOneManifest) {
  for (uint64_t nth = 1;; ++nth) {
    SCOPED_TRACE("call " + std::to_string(nth));
    manifest_.reset();
    fs_ = SimFileSystem::New({.seed = nth});
    SetUp();
    Create();
    // Long keys come and go below pages that stay.
    ManifestEdit removal;
    EntryMap live;
    for (int i = 0; i < 24; ++i) {
      const FileNumber number = Add(i < 3 ? 60000 : 300);
      if (i < 10) {
        removal.removed.push_back(number);
      } else {
        live[number] = MakeEntry(number, 300);
      }
    }
    ASSERT_TRUE(manifest_->Commit(removal).ok());
    fs_->InjectFault({.calls = kCalls, .nth = nth});
    Status s = manifest_->Seal();
    const uint64_t failed = fs_->calls_failed();
    fs_->ClearFault();
    if (failed == 0) {
      ASSERT_TRUE(s.ok());
      ASSERT_EQ(manifest_->stats().rewrites, 1u);
      ASSERT_GE(nth, 9u);
      break;
    }
    EXPECT_EQ(Inspected(), live);
    EXPECT_EQ(s.ok(), manifest_->poisoned().ok());
    if (s.ok()) {  // the rewrite gave up in time, if it was reached; the next seal makes it
      EXPECT_EQ(manifest_->stats().rewrites + manifest_->stats().rewrites_failed, 1u);
      std::vector<NumberedFile> released;
      for (const FileNumber number : removal.removed) released.push_back(SegmentOf(number));
      EXPECT_EQ(manifest_->TakeReleased(), released);
      const FileNumber number = Add(300);  // into the file that has the name
      live[number] = MakeEntry(number, 300);
      EXPECT_EQ(Inspected(), live);
      ASSERT_TRUE(manifest_->Seal().ok());
      EXPECT_EQ(manifest_->stats().rewrites, 1u);
    } else {
      EXPECT_FALSE(manifest_->Commit({}).ok());
    }
    // Whichever file the machine comes back with.
    for (const SimLoss& loss : {SimLoss::DropAll(), SimLoss::KeepAll()}) {
      auto after = SimFileSystem::New({}, fs_->disk().PowerLoss(loss));
      ManifestState state;
      ASSERT_TRUE(Manifest::Inspect(after.get(), kManifestTestDir, &state).ok());
      EXPECT_EQ(ToMap(state.segments), live);
    }
    Open();
    EXPECT_EQ(ToMap(state_.segments), live);
  }
}

TEST_F(ManifestFaultTest, AFailedOpeningMayBeRepeated) {
  Create();
  for (int i = 0; i < 30; ++i) {
    const FileNumber number = Add(450);
    live_[number] = MakeEntry(number, 450);
  }
  manifest_.reset();
  for (uint64_t nth = 1;; ++nth) {
    SCOPED_TRACE("call " + std::to_string(nth));
    const int open_files = fs_->open_files();
    fs_->InjectFault({.calls = kCalls, .nth = nth});
    Status s = TryOpen();
    const uint64_t failed = fs_->calls_failed();
    fs_->ClearFault();
    if (failed == 0) {
      ASSERT_TRUE(s.ok());
      ASSERT_GE(nth, 8u);
      break;
    }
    EXPECT_TRUE(s.IsIOError()) << s.ToString();
    EXPECT_EQ(fs_->open_files(), open_files);  // Checklist I1
    Open();
    EXPECT_EQ(ToMap(state_.segments), live_);
    manifest_.reset();
  }
}

TEST_F(ManifestFaultTest, AFailedCreationMayBeRepeated) {
  for (uint64_t nth = 1;; ++nth) {
    SCOPED_TRACE("call " + std::to_string(nth));
    manifest_.reset();
    fs_ = SimFileSystem::New({.seed = nth});
    SetUp();
    fs_->InjectFault({.calls = kCalls, .nth = nth});
    Status s = Manifest::Create(Options(), kManifestTestDir, &manifest_);
    const uint64_t failed = fs_->calls_failed();
    fs_->ClearFault();
    if (failed == 0) {
      ASSERT_TRUE(s.ok()) << s.ToString();
      ASSERT_GE(nth, 6u);
      break;
    }
    EXPECT_TRUE(s.IsIOError()) << s.ToString();
    EXPECT_EQ(fs_->open_files(), 0);
    // Past the rename there is one, and it is whole; before, there is none.
    s = TryOpen();
    if (s.IsNotFound()) {
      Create();
      Open();
    } else {
      ASSERT_TRUE(s.ok()) << s.ToString();
    }
    EXPECT_TRUE(state_.segments.empty());
  }
}

// Numbers of a commit that failed are not given out again (Checklist N5, S6).
TEST_F(ManifestFaultTest, NumbersSurviveAFailedReservation) {
  Create();
  FileNumber highest = 0;
  for (uint64_t nth = 1; nth <= 12; ++nth) {
    fs_->InjectFault({.calls = kSimWrite | kSimSync, .nth = nth});
    for (int i = 0; i < 60; ++i) {
      FileNumber number;
      if (!manifest_->NewFileNumber(&number).ok()) break;
      ASSERT_GT(number, highest);
      highest = number;
    }
    ASSERT_EQ(fs_->calls_failed(), 1u);
    fs_->ClearFault();
    Open();
    ASSERT_GT(state_.next_file_number, highest);
  }
}

}  // namespace
}  // namespace varve
