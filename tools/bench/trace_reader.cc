#include "tools/bench/trace_reader.h"

#include <charconv>
#include <utility>

#include "varve/write_batch.h"

namespace varve::bench {
namespace {

// Cuts the first field off `rest`. False if there was none.
bool TakeField(Slice* rest, bool* more, Slice* field) {
  if (!*more) return false;
  const size_t comma = rest->find(',');
  *field = rest->substr(0, comma);
  *more = comma != Slice::npos;
  *rest = *more ? rest->substr(comma + 1) : Slice();
  return true;
}

// As part of a message: long or binary text would not help.
std::string Quoted(Slice text) {
  constexpr size_t kShownMax = 40;
  std::string quoted = "\"";
  for (const char c : text.substr(0, kShownMax)) quoted += c >= 0x20 && c < 0x7f ? c : '?';
  return quoted + (text.size() > kShownMax ? "...\"" : "\"");
}

Status ParseOp(Slice name, RequestOp* op) {
  if (name == "get") {
    *op = RequestOp::kGet;
  } else if (name == "put" || name == "set") {
    *op = RequestOp::kPut;
  } else if (name == "delete") {
    *op = RequestOp::kDelete;
  } else {
    return Status::InvalidArgument("unknown operation " + Quoted(name) +
                                   ", expected get, put, set or delete");
  }
  return Status::OK();
}

}  // namespace

Status ParseTraceLine(Slice line, Request* request) {
  *request = Request();
  Slice rest = line, op, key, size, excess;
  bool more = true;
  TakeField(&rest, &more, &op);
  Status status = ParseOp(op, &request->op);
  if (!status.ok()) return status;
  if (!TakeField(&rest, &more, &key) || key.empty()) {
    return Status::InvalidArgument("no key, expected op,key,size");
  }
  if (key.size() > WriteBatch::kKeyBytesMax) {
    return Status::InvalidArgument("a key of " + std::to_string(key.size()) + " bytes; " +
                                   std::to_string(WriteBatch::kKeyBytesMax) + " are allowed");
  }
  request->key = key;
  if (TakeField(&rest, &more, &size) && !size.empty()) {
    const auto [stop, error] =
        std::from_chars(size.data(), size.data() + size.size(), request->value_bytes);
    if (error != std::errc() || stop != size.data() + size.size()) {
      return Status::InvalidArgument("size " + Quoted(size) + " is no number of bytes");
    }
    if (request->value_bytes > WriteBatch::kValueBytesMax) {
      return Status::InvalidArgument("size " + Quoted(size) + " is above the limit of " +
                                     std::to_string(WriteBatch::kValueBytesMax) + " bytes");
    }
  }
  if (TakeField(&rest, &more, &excess)) {
    return Status::InvalidArgument("more than three fields, expected op,key,size");
  }
  return Status::OK();
}

Status TraceReader::Open(const std::string& path, std::unique_ptr<RequestSource>* source) {
  std::unique_ptr<GzipLines> lines;
  Status status = GzipLines::Open(path, &lines);
  if (!status.ok()) return status.WithContext("trace");
  source->reset(new TraceReader(std::move(lines)));
  return Status::OK();
}

Status TraceReader::Next(Request* request, bool* end) {
  while (true) {
    Slice line;
    Status status = lines_->Next(&line, end);
    if (!status.ok()) return status.WithContext("trace");
    if (*end) return Status::OK();
    const bool header = lines_->line_number() == 1 && (line == "op" || line.starts_with("op,"));
    if (line.empty() || header) continue;
    return ParseTraceLine(line, request)
        .WithContext("trace " + lines_->name() + ":" + std::to_string(lines_->line_number()));
  }
}

}  // namespace varve::bench
