#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace spikeloom::data {

/// Bytes of the archive that are read, of all; false ends it.
using UnpackProgress = std::function<bool(std::int64_t done, std::int64_t total)>;

/// Unpacks a zip or tar archive (tar also compressed) into a folder, in bounded memory. Files that are there
/// with the same size are left as they are, so that an interrupted call can be repeated; each file is written
/// beside and renamed. Returns the number of files in the archive, or -1 if `progress` ended it. Throws
/// FormatError if the archive is damaged or names a place outside the folder or anything but files and
/// folders, DataError if a file of another size is in the way or something cannot be written.
std::int64_t unpack_archive(const std::string& archive, const std::string& folder,
                            const UnpackProgress& progress);

}  // namespace spikeloom::data
