#pragma once
#include <string>

namespace spikeloom::formats {

enum class FileKind { kUnknown, kIdx, kCifar10, kEvents, kSafetensors };

/// Which of the formats above a file is, by its content and size; the name plays no part.
/// IDX (plain or gzip) and safetensors have a header. CIFAR-10 batches are known by a size that is a multiple
/// of 3073 and labels up to 9; event recordings as open_events() knows them (events/event_format.h). A file
/// whose header is sound but whose rest is damaged is still named, so that its reader can say what is wrong.
/// Throws DataError if the file cannot be read; never FormatError.
FileKind detect_file(const std::string& path);

/// "IDX", "CIFAR-10", "event recording", "safetensors" or "unknown".
const char* file_kind_name(FileKind kind);

}  // namespace spikeloom::formats
