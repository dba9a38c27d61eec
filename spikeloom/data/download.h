#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace spikeloom::data {

/// Bytes of a file that are here, of how many (-1: not known); false ends the download, which can be resumed.
using DownloadProgress = std::function<bool(std::int64_t done, std::int64_t total)>;

struct Download {
  std::string url;         ///< https://... or http://...
  std::string path;        ///< where the file goes; its folder is there
  std::string md5;         ///< as published; "" if nobody published one
  std::int64_t size = -1;  ///< bytes, as published; -1 if not
};

enum class DownloadOutcome {
  kDownloaded,
  kAlreadyThere,  ///< and it is the right one
  kStopped,       ///< by progress
};

/// Downloads a file: to `path` + ".part" beside it, goes on where an earlier call was cut off (Range), tries
/// again when the connection breaks, checks size and MD5 and only then gives the file its name. Never
/// overwrites: an existing file is checked, and refused if it is not the published one. One process at a
/// time. Throws DataError: the host cannot be reached, answers with an error status or with a web page
/// instead of the file, the connection was cut too often (what came is kept), size or MD5 are wrong (what
/// came is removed), or the disk is full.
DownloadOutcome download(const Download& request, const DownloadProgress& progress);

}  // namespace spikeloom::data
