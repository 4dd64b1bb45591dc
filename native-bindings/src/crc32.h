// CRC-32 as zlib has it (polynomial 0xedb88320, reflected).
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace {

// Goes on with the checksum of what came before; 0 at first.
uint32_t crc32(uint32_t checksum, const uint8_t* data, size_t length);

}  // namespace millrace
