#include "varve/env.h"

namespace varve {

void RandomAccessFile::MultiRead(ReadRequest* requests, size_t count) const {
  for (size_t i = 0; i < count; ++i) {
    ReadRequest& request = requests[i];
    request.bytes_read = 0;
    request.status = Read(request.offset, request.size, request.buffer, &request.bytes_read);
  }
}

}  // namespace varve
