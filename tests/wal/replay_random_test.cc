#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/wal/wal_test_util.h"
#include "util/random.h"
#include "wal/log_dump.h"
#include "wal/log_format.h"
#include "wal/replay.h"

// Injures logs at random, in ways a single flipped bit does not reach: blocks moved, swapped, taken
// from another log or from another life of the file, ends cut off, many bytes at once. Whatever it
// does, replay gives a prefix of what was written or refuses; it and the dump end, and read nothing
// they must not.

namespace varve {
namespace {

using wal::kBlockBytes;

class NullDump final : public wal::LogDumpSink {
 public:
  void OnHeader(uint64_t, const wal::HeaderCopy&) override {}
  void OnRecord(uint64_t, const wal::RecordHeader&, Slice payload, const std::string&) override {
    bytes += payload.size();
  }
  void OnGap(uint64_t from, uint64_t to, bool, const std::string&) override { bytes += to - from; }
  uint64_t bytes = 0;
};

class ReplayRandomTest : public WalTest {
 protected:
  // Logs 4, 5, 6, of which some are recycled.
  void Build(Random* random) {
    options_.log_bytes = 8 * kBlockBytes;
    Reopen();
    for (FileNumber number = 1; number <= 6; ++number) {
      if (number == 3 || number == 4) {
        Sync(wal_->end());
        Switch(number);
        ASSERT_TRUE(wal_->Retire(number).ok());
      } else {
        Switch(number);
      }
      if (number == 4) {
        appended_.clear();
        ends_.clear();
      }
      const uint64_t records = random->Between(1, 30);
      for (uint64_t i = 0; i < records; ++i) {
        const uint64_t size =
            random->Uniform(5) == 0 ? random->Uniform(6000) : random->Uniform(200);
        if (!wal_->Fits(size)) break;
        AppendSized(size);
        if (random->Uniform(10) == 0) Sync(wal_->end());
      }
    }
    for (FileNumber number = 4; number <= 6; ++number) {
      originals_.push_back(ReadFile(Path(number)));
    }
  }

  void Injure(Random* random, std::vector<std::string>* files) {
    std::string& file = (*files)[random->Uniform(files->size())];
    const std::string& other = originals_[random->Uniform(originals_.size())];
    if (file.empty()) return;
    const uint64_t blocks = std::max<uint64_t>(1, file.size() / kBlockBytes);
    const auto block = [&] { return random->Uniform(blocks) * kBlockBytes; };
    switch (random->Uniform(7)) {
      case 0:
        for (uint64_t i = random->Between(1, 20); i > 0; --i) {
          file[random->Uniform(file.size())] ^= static_cast<char>(1 << random->Uniform(8));
        }
        break;
      case 1:
        file.replace(block(), kBlockBytes, std::string(kBlockBytes, '\0'));
        break;
      case 2:
        file.replace(block(), kBlockBytes, file.substr(block(), kBlockBytes));
        break;
      case 3: {
        const uint64_t at = block();
        file.replace(at, kBlockBytes,
                     other.substr(std::min<uint64_t>(at, other.size()), kBlockBytes));
        break;
      }
      case 4: {  // bytes within a block, from anywhere
        const uint64_t from = random->Uniform(file.size()) / 8 * 8;
        const uint64_t to = random->Uniform(file.size()) / 8 * 8;
        const std::string piece = file.substr(from, random->Between(1, 64) * 8);
        file.replace(to, piece.size(), piece);
        break;
      }
      case 5:
        file.resize(random->Uniform(file.size() + 1));
        break;
      case 6:
        file = other;
        break;
    }
  }

  std::vector<std::string> originals_;
};

TEST_F(ReplayRandomTest, FindsAPrefixOrRefuses) {
  int refused = 0, cut = 0;
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    for (const std::string& name : Names()) {
      ASSERT_TRUE(env_.file_system->RemoveFile(File(name)).ok());
    }
    originals_.clear();
    Build(&random);
    for (int round = 0; round < 80; ++round) {
      std::vector<std::string> files = originals_;
      for (uint64_t i = random.Between(1, 3); i > 0; --i) Injure(&random, &files);
      for (size_t i = 0; i < files.size(); ++i) WriteFile(Path(4 + i), files[i]);
      bool ok = false;
      for (WalRecoveryMode mode : {WalRecoveryMode::kAbsolute, WalRecoveryMode::kTolerateTornTail,
                                   WalRecoveryMode::kPointInTime}) {
        ReplayOptions options = Replaying();
        options.lowest_needed = 4;
        options.mode = mode;
        const Status status = Replay(options);
        ASSERT_TRUE(status.ok() || status.IsCorruption()) << status.ToString();
        ASSERT_LE(sink_.payloads.size(), appended_.size());
        ASSERT_TRUE(sink_.payloads == Prefix(sink_.payloads.size()));
        // Each mode accepts what a stricter one did.
        ASSERT_TRUE(status.ok() || !ok) << status.ToString();
        ok = status.ok();
        refused += !ok;
        cut += ok && result_.cut;
      }
      ASSERT_TRUE(ok);
      for (size_t i = 0; i < files.size(); ++i) {
        NullDump dump;
        const Status status = DumpLog(env_.file_system.get(), Path(4 + i), &dump);
        ASSERT_TRUE(status.ok()) << status.ToString();
        ASSERT_LE(dump.bytes, files[i].size() + 2 * kBlockBytes);
      }
    }
  }
  EXPECT_GT(refused, 100);
  EXPECT_GT(cut, 100);
}

}  // namespace
}  // namespace varve
