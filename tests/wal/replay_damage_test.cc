#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/wal/wal_test_util.h"
#include "wal/log_format.h"
#include "wal/log_record.h"
#include "wal/replay.h"

// Damages every byte of two logs, one at a time, and tears their ends off at every byte. What
// replay must answer follows from a list of the records that were written.

namespace varve {
namespace {

using wal::kBlockBytes;
using wal::kDataOffset;
using wal::kHeaderBytes;
using wal::kRecordHeaderBytes;
using wal::RecordBytes;

class ReplayDamageTest : public WalTest {
 protected:
  struct Record {
    FileNumber log;
    uint64_t begin, payload_end;
    LogPosition end;
    LogPosition durable;  // as its header says
  };

  ReplayDamageTest() {
    options_.log_bytes = 6 * kBlockBytes;
    Reopen();
    Switch(3);
    Write(50), Write(101);
    SyncAll();
    Write(30), Write(203);
    SyncAll();
    Switch(5);
    Write(61), Write(0);
    SyncAll();
    Write(20), Write(7), Write(90);
    for (FileNumber log : {3, 5}) bytes_.push_back(ReadFile(Path(log)));
  }

  void Write(size_t size) {
    const LogPosition end = AppendSized(size);
    const uint64_t begin = end.offset - RecordBytes(size);
    records_.push_back({end.log, begin, begin + kRecordHeaderBytes + size, end, durable_});
  }
  void SyncAll() {
    Sync(wal_->end());
    durable_ = wal_->end();
  }
  const std::string& Original(FileNumber log) const { return bytes_[log == 3 ? 0 : 1]; }

  // Replays and checks against what is left: whether header and payload of each record are whole.
  // `known` is what the manifest knows.
  void Check(const std::vector<bool>& header, const std::vector<bool>& payload, LogPosition known,
             const std::string& what) {
    LogPosition highest = known, end;
    size_t count = 0, headers_behind = 0;
    for (size_t i = 0; i < records_.size(); ++i) {
      if (!header[i]) continue;
      highest = std::max(highest, records_[i].durable);
    }
    while (count < records_.size() && header[count] && payload[count]) {
      end = records_[count++].end;
    }
    for (size_t i = count; i < records_.size(); ++i) headers_behind += header[i];

    const Status status = Replay(known);
    if (end < highest) {
      ASSERT_TRUE(status.IsCorruption()) << what << ": " << status.ToString();
      // It names the place: the file, and where in it the chain ought to go on.
      const Record& broken = records_[count];
      const std::string message(status.message());
      EXPECT_NE(message.find(Path(broken.log)), std::string::npos) << what << ": " << message;
      const uint64_t at = end.log == broken.log ? end.offset : kDataOffset;
      EXPECT_NE(message.find("offset " + std::to_string(at)), std::string::npos)
          << what << ": " << message;
      EXPECT_NE(message.find("expected"), std::string::npos) << what << ": " << message;
      EXPECT_NE(message.find("found"), std::string::npos) << what << ": " << message;
    } else {
      ASSERT_TRUE(status.ok()) << what << ": " << status.ToString();
      EXPECT_EQ(result_.records_discarded, headers_behind) << what;
      EXPECT_EQ(result_.known_durable, highest) << what;
    }
    EXPECT_TRUE(sink_.payloads == Prefix(count)) << what;
  }

  std::vector<Record> records_;
  LogPosition durable_;
  std::vector<std::string> bytes_;
};

// Checklist W8, RULES R5.3
TEST_F(ReplayDamageTest, AFlippedBitIsATailAboveTheDurablePositionAndCorruptionBelow) {
  std::vector<bool> all(records_.size(), true);
  for (LogPosition known : {LogPosition{}, records_[1].end, records_[4].end, records_.back().end}) {
    size_t refused = 0;
    for (size_t i = 0; i < records_.size(); ++i) {
      const Record& record = records_[i];
      for (uint64_t at = record.begin; at < record.end.offset; ++at) {
        const char flipped =
            static_cast<char>(Original(record.log)[at] ^ (1 << (at * 7 + at / 8) % 8));
        Overwrite(Path(record.log), at, Slice(&flipped, 1));
        std::vector<bool> header = all, payload = all;
        if (at < record.begin + kRecordHeaderBytes) {
          header[i] = false;
        } else if (at < record.payload_end) {
          payload[i] = false;
        }
        Check(header, payload, known,
              "bit flipped at " + LogPosition{record.log, at}.ToString() + ", known " +
                  known.ToString());
        if (HasFatalFailure()) return;
        refused += sink_.payloads.size() < i + 1 && result_.end < result_.known_durable;
        Overwrite(Path(record.log), at, Slice(&Original(record.log)[at], 1));
      }
    }
    EXPECT_GT(refused, 0u);
  }
  Check(all, all, {}, "nothing damaged");
}

TEST_F(ReplayDamageTest, AnEndTornOffAtAnyByteIsJudgedByTheDurablePosition) {
  // What stands behind the tear: zeros, garbage, or the end of the file.
  for (int kind = 0; kind < 3; ++kind) {
    for (FileNumber log : {5, 3}) {
      const uint64_t end = log == 3 ? records_[3].end.offset : records_.back().end.offset;
      for (uint64_t tear = kDataOffset; tear <= end; ++tear) {
        // Between records nothing changes from byte to byte.
        bool near = tear == end;
        for (const Record& r : records_) {
          near |= r.log == log && tear >= r.begin && tear <= r.end.offset;
        }
        if (!near) continue;
        std::string bytes = Original(log).substr(0, tear);
        if (kind == 0) bytes.resize(Original(log).size(), '\0');
        if (kind == 1) bytes += Bytes(Original(log).size() - tear, tear);
        WriteFile(Path(log), bytes);

        std::vector<bool> header, payload;
        for (const Record& r : records_) {
          header.push_back(r.log != log || tear >= r.begin + kRecordHeaderBytes);
          payload.push_back(r.log != log || tear >= r.payload_end);
          // A tail of zeros may be what was there.
          if (kind == 0 && r.log == log) {
            const std::string& was = Original(log);
            const auto zero = [&](uint64_t from, uint64_t to) {
              return std::all_of(was.begin() + std::min(std::max(from, tear), to), was.begin() + to,
                                 [](char c) { return c == '\0'; });
            };
            header.back() = zero(r.begin, r.begin + kRecordHeaderBytes);
            payload.back() = zero(r.begin + kRecordHeaderBytes, r.payload_end);
          }
        }
        Check(header, payload, {},
              "torn at " + LogPosition{log, tear}.ToString() + ", kind " + std::to_string(kind));
        if (HasFatalFailure()) return;
      }
      WriteFile(Path(log), Original(log));
    }
  }
}

// RULES R5.5
TEST_F(ReplayDamageTest, OneDamagedCopyOfTheHeaderHidesNothing) {
  const std::vector<bool> all(records_.size(), true);
  for (FileNumber log : {3, 5}) {
    for (uint64_t copy : {uint64_t{0}, kBlockBytes}) {
      for (uint64_t at = copy; at < copy + kHeaderBytes + 8; ++at) {
        const char flipped = static_cast<char>(Original(log)[at] ^ (1 << at % 8));
        Overwrite(Path(log), at, Slice(&flipped, 1));
        Check(all, all, {}, "header byte " + std::to_string(at));
        if (HasFatalFailure()) return;
        Overwrite(Path(log), at, Slice(&Original(log)[at], 1));
      }
      Overwrite(Path(log), copy, std::string(kBlockBytes, '\xff'));
      Check(all, all, {}, "header page at " + std::to_string(copy));
      Overwrite(Path(log), copy, Slice(Original(log)).substr(copy, kBlockBytes));
    }
  }
}

TEST_F(ReplayDamageTest, WithBothCopiesDamagedALogWithRecordsIsRefused) {
  const auto damage = [&](FileNumber log) {
    for (uint64_t copy : {uint64_t{0}, kBlockBytes}) Overwrite(Path(log), copy + 20, "\xee");
  };
  damage(5);
  Status status = Replay(records_.back().durable);
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
  EXPECT_NE(status.message().find(Path(5)), std::string::npos);
  EXPECT_NE(status.message().find("offset 0"), std::string::npos) << status.ToString();
  // Nothing that is left tells of it, nor does the manifest: an unfinished log.
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads == Prefix(4));

  WriteFile(Path(5), Original(5));
  damage(3);
  status = Replay();
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
  EXPECT_NE(status.message().find(Path(3)), std::string::npos);
}

}  // namespace
}  // namespace varve
