#pragma once
#include <string>

namespace spikeloom::formats {

enum class FileKind { kUnknown, kIdx, kCifar10, kAtisBin, kAedat2, kSafetensors };

/// Which of the formats above a file is, by its content and size; the name plays no part.
/// AEDAT 2.0, IDX (plain or gzip) and safetensors have a header. CIFAR-10 batches are known by a size that is
/// a multiple of 3073 and labels up to 9; ATIS recordings by a size that is a multiple of 5, at least 8
/// events, coordinates up to 240 and times that never go back. A file whose header is sound but whose rest is
/// damaged is still named, so that its reader can say what is wrong. Throws DataError if the file cannot be
/// read; never FormatError.
FileKind detect_file(const std::string& path);

/// "IDX", "CIFAR-10", "ATIS bin", "AEDAT 2.0", "safetensors" or "unknown".
const char* file_kind_name(FileKind kind);

}  // namespace spikeloom::formats
