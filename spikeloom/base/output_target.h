#pragma once
#include <sys/stat.h>

#include <string>

namespace spikeloom {

/// What a path that is to be written to means.
struct OutputTarget {
  enum class Kind {
    kNewFile,      ///< nothing is there
    kRegularFile,  ///< a file that will be replaced
    kStream        ///< a pipe or a character device: bytes go into it, it is not replaced
  };
  Kind kind = Kind::kNewFile;
  std::string path;       ///< where the file is, links followed
  struct stat status {};  ///< of a regular file
  int descriptor = -1;    ///< "/dev/stdout", "/dev/fd/3" and the like: the number; else -1
};

/// Follows links, also one whose target does not exist. Throws DataError, naming `path`, for what nothing can
/// be written to as a file: a folder, a disk, a socket, a file without write permission, a circle of links.
OutputTarget resolve_output(const std::string& path);

}  // namespace spikeloom
