#include "tests/tools/bench_fake_db.h"

namespace varve::bench {

Status FakeDb::Put(const WriteOptions&, Slice key, Slice value) {
  if (!write_status.ok()) return write_status;
  entries[std::string(key)] = std::string(value);
  return Status::OK();
}

Status FakeDb::Delete(const WriteOptions&, Slice key) {
  if (!write_status.ok()) return write_status;
  entries.erase(std::string(key));
  return Status::OK();
}

Status FakeDb::Write(const WriteOptions&, const WriteBatch&) {
  return Status::NotSupported("batches");
}

Status FakeDb::Get(const ReadOptions&, Slice key, PinnedValue* value) {
  std::unique_ptr<std::string> answer;
  const auto found = entries.find(key);
  if (found != entries.end()) answer = std::make_unique<std::string>(found->second);
  if (on_get) on_get(key, &answer);
  if (answer == nullptr) return Status::NotFound();
  value->Assign(*answer);
  return Status::OK();
}

Status FakeDb::Flush(const FlushOptions&) {
  ++flushes;
  return Status::OK();
}

}  // namespace varve::bench
