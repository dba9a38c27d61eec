#include "spikeloom/base/output_target.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstring>

#include "spikeloom/base/errors.h"

namespace spikeloom {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel

/// The number of an open descriptor that the path names, or -1. Such a path is not resolved any further:
/// where standard output is a file, that file is open already and must not be replaced.
int descriptor_of(const std::string& path) {
  if (path == "/dev/stdin") return 0;
  if (path == "/dev/stdout") return 1;
  if (path == "/dev/stderr") return 2;
  for (const std::string prefix : {"/dev/fd/", "/proc/self/fd/"}) {
    if (path.compare(0, prefix.size(), prefix) != 0) continue;
    int number = -1;
    const char* end = path.data() + path.size();
    const auto [stopped, error] = std::from_chars(path.data() + prefix.size(), end, number);
    if (error == std::errc() && stopped == end && number >= 0) return number;
  }
  return -1;
}

std::string target_of_link(const std::string& link) {
  std::array<char, PATH_MAX> text{};
  const ssize_t length = ::readlink(link.c_str(), text.data(), text.size() - 1);
  std::string target(text.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  const std::size_t slash = link.rfind('/');
  if (target.empty() || target[0] == '/' || slash == std::string::npos) return target;
  return link.substr(0, slash + 1) + target;
}

}  // namespace

OutputTarget resolve_output(const std::string& path) {
  const auto refuse = [&](const std::string& reason) -> DataError {
    return DataError(path + ": cannot write: " + reason);
  };
  OutputTarget target;
  target.path = path;
  for (int links = 0;; ++links) {
    target.descriptor = descriptor_of(target.path);
    if (target.descriptor >= 0) {
      target.kind = OutputTarget::Kind::kStream;
      return target;
    }
    if (::lstat(target.path.c_str(), &target.status) != 0) {
      if (errno == ENOENT) return target;  // a folder that is missing is found when the file is created
      throw refuse(std::strerror(errno));
    }
    if (!S_ISLNK(target.status.st_mode)) break;
    if (links == kMaxLinks) throw refuse("the links go round in a circle");
    target.path = target_of_link(target.path);
  }
  const auto mode = target.status.st_mode;
  if (S_ISDIR(mode)) throw refuse("it is a folder");
  if (S_ISBLK(mode)) throw refuse("it is a disk, not a file");
  if (S_ISSOCK(mode)) throw refuse("it is a socket, not a file");
  // The file would be replaced, which asks for permission of its folder only; its own protects it.
  if (::faccessat(AT_FDCWD, target.path.c_str(), W_OK, AT_EACCESS) != 0) throw refuse(std::strerror(errno));
  target.kind = S_ISREG(mode) ? OutputTarget::Kind::kRegularFile : OutputTarget::Kind::kStream;
  return target;
}

}  // namespace spikeloom
