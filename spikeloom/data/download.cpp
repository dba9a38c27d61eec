#include "spikeloom/data/download.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/data/md5.h"
#include "spikeloom/formats/random_access_file.h"

namespace spikeloom::data {
namespace {

/// Connections that may break without having brought anything new.
constexpr int kTries = 3;
constexpr long kConnectSeconds = 30, kStalledSeconds = 60;
constexpr std::size_t kSniffed = 512;

std::string md5_of_file(const std::string& path) {
  const formats::RandomAccessFile file(path);
  Md5 sum;
  std::vector<char> piece(std::size_t{1} << 20);
  for (std::int64_t offset = 0; offset < file.size();) {
    const auto size = std::min<std::int64_t>(static_cast<std::int64_t>(piece.size()), file.size() - offset);
    file.read_at(offset, piece.data(), static_cast<std::size_t>(size));
    sum.add(piece.data(), static_cast<std::size_t>(size));
    offset += size;
  }
  return sum.hex();
}

/// What is wrong with a file, or "".
std::string complaint(const Download& request, const std::string& path) {
  const std::int64_t size = formats::RandomAccessFile(path).size();
  if (request.size >= 0 && size != request.size) {
    return fmt::format("it has {}, the published file {}", counted(size, "byte"),
                       with_separators(request.size));
  }
  if (request.md5.empty()) return "";
  const std::string sum = md5_of_file(path);
  return sum == request.md5 ? "" : fmt::format("its MD5 is {}, the published one is {}", sum, request.md5);
}

/// A web page, whatever the host calls it.
bool looks_like_a_page(const std::string& start) {
  std::string text;
  for (const char c : start) {
    if (text.empty() && std::isspace(static_cast<unsigned char>(c)) != 0) continue;
    text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return text.rfind("<!doctype html", 0) == 0 || text.rfind("<html", 0) == 0;
}

/// The .part file: locked, so that two downloads cannot mix.
class PartFile {
 public:
  explicit PartFile(std::string path) : path_(std::move(path)) {
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (descriptor_ < 0) fail("create");
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      ::close(descriptor_);
      throw DataError(path_ + ": another process is downloading this file");
    }
    struct stat info {};
    if (::fstat(descriptor_, &info) != 0) fail("read");
    size_ = info.st_size;
  }
  ~PartFile() { ::close(descriptor_); }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  std::int64_t size() const { return size_; }
  void restart() {
    if (::ftruncate(descriptor_, 0) != 0) fail("write");
    size_ = 0;
  }
  /// false with errno set if it cannot be written.
  bool append(const char* bytes, std::size_t count) {
    while (count > 0) {
      const ssize_t written = ::pwrite(descriptor_, bytes, count, size_);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return false;
      bytes += written;
      size_ += written;
      count -= static_cast<std::size_t>(written);
    }
    return true;
  }
  void remove() const { ::unlink(path_.c_str()); }
  /// Gives the file its name unless there is one already.
  void rename_to(const std::string& path) const {
    if (::fsync(descriptor_) != 0) fail("write");
    if (::link(path_.c_str(), path.c_str()) == 0) {
      ::unlink(path_.c_str());
      return;
    }
    struct stat info {};
    const int reason = errno;
    if (reason == EEXIST || ::lstat(path.c_str(), &info) == 0) {
      throw DataError(path + ": was created meanwhile and is not overwritten");
    }
    // A file system without hard links.
    if (std::rename(path_.c_str(), path.c_str()) != 0) fail("rename");
  }

 private:
  [[noreturn]] void fail(const char* action) const {
    throw DataError(fmt::format("{}: cannot {}: {}", path_, action, std::strerror(errno)));
  }
  std::string path_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
};

/// One connection.
class Transfer {
 public:
  Transfer(const Download& request, PartFile& part, const DownloadProgress& progress)
      : request_(request), part_(part), progress_(progress), handle_(curl_easy_init(), curl_easy_cleanup) {
    if (handle_ == nullptr) throw std::bad_alloc();
  }

  enum class Result { kComplete, kBroken, kStopped };

  /// Throws DataError for what trying again does not change.
  Result run() {
    set(CURLOPT_URL, request_.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 1L);
    set(CURLOPT_MAXREDIRS, 10L);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, kStalledSeconds);
    set(CURLOPT_USERAGENT, "spikeloom");
    set(CURLOPT_ERRORBUFFER, error_);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_data);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
    set(CURLOPT_XFERINFODATA, this);
    set(CURLOPT_NOPROGRESS, 0L);
    started_at_ = part_.size();
    const std::string range = fmt::format("{}-", started_at_);
    if (started_at_ > 0) set(CURLOPT_RANGE, range.c_str());
    const CURLcode code = curl_easy_perform(handle_.get());
    return judge(code);
  }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    curl_easy_setopt(handle_.get(), option, value);
  }

  long status() const {
    long value = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &value);
    return value;
  }

  std::string content_type() const {
    const char* type = nullptr;
    curl_easy_getinfo(handle_.get(), CURLINFO_CONTENT_TYPE, &type);
    return type == nullptr ? "" : type;
  }

  std::int64_t announced() const {
    curl_off_t length = -1;
    curl_easy_getinfo(handle_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    return length;
  }

  static std::size_t on_data(char* bytes, std::size_t size, std::size_t count, void* self) {
    auto* const transfer = static_cast<Transfer*>(self);
    return transfer->take(bytes, size * count) ? size * count : 0;
  }

  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto* const transfer = static_cast<Transfer*>(self);
    if (!transfer->progress_) return 0;
    transfer->stopped_ = !transfer->progress_(transfer->part_.size(), transfer->total());
    return transfer->stopped_ ? 1 : 0;
  }

  std::int64_t total() const {
    if (request_.size >= 0) return request_.size;
    const std::int64_t length = announced();
    if (length < 0 || !begun_) return -1;
    return length + (status() == 206 ? started_at_ : 0);
  }

  bool take(const char* bytes, std::size_t size) {
    if (!begun_) {
      if (status() != 200 && status() != 206) return true;  // the body of an error: not looked at
      if (content_type().rfind("text/html", 0) == 0) {
        page_ = true;
        return false;
      }
      if (status() == 200 && started_at_ > 0) part_.restart();  // the host cannot resume
      if (status() == 200 || started_at_ == 0) {
        if (looks_like_a_page(std::string(bytes, std::min(size, kSniffed)))) {
          page_ = true;
          return false;
        }
      }
      begun_ = true;
    }
    if (request_.size >= 0 && part_.size() + static_cast<std::int64_t>(size) > request_.size) {
      too_long_ = true;
      return false;
    }
    if (part_.append(bytes, size)) return true;
    write_error_ = errno;
    return false;
  }

  Result judge(CURLcode code) const {
    if (stopped_) return Result::kStopped;
    if (write_error_ != 0) {
      throw DataError(fmt::format(
          "{}.part: cannot write: {}; what was received is kept; run it again with more disk space",
          request_.path, std::strerror(write_error_)));
    }
    if (page_) {
      throw DataError(
          fmt::format("{}: the host answered with a web page instead of the file (a login, a licence to "
                      "accept, or the file has moved); get it with a browser",
                      request_.url));
    }
    if (too_long_) {
      part_.remove();
      throw DataError(fmt::format("{}: is longer than the {} bytes of the published file", request_.url,
                                  with_separators(request_.size)));
    }
    const long answer = status();
    if (answer == 416 && started_at_ > 0) {  // nothing behind what is here: complete, or of another file
      if (complaint(request_, request_.path + ".part").empty() && !request_.md5.empty())
        return Result::kComplete;
      part_.restart();
      return Result::kBroken;
    }
    if (answer >= 500 || answer == 429 || answer == 408) return Result::kBroken;
    if (answer != 0 && answer != 200 && answer != 206) {
      throw DataError(
          fmt::format("{}: the host answered with status {} instead of the file", request_.url, answer));
    }
    if (code == CURLE_OK) return Result::kComplete;
    switch (code) {
      case CURLE_PARTIAL_FILE:
      case CURLE_RECV_ERROR:
      case CURLE_SEND_ERROR:
      case CURLE_GOT_NOTHING:
      case CURLE_OPERATION_TIMEDOUT:
      case CURLE_HTTP2:
      case CURLE_HTTP2_STREAM:
      case CURLE_COULDNT_CONNECT:
        return Result::kBroken;
      default:
        throw DataError(
            fmt::format("{}: {}", request_.url, error_[0] != '\0' ? error_ : curl_easy_strerror(code)));
    }
  }

 public:
  /// Why the last connection broke.
  std::string reason() const {
    if (status() >= 400) return fmt::format("status {}", status());
    return error_[0] != '\0' ? error_ : "the connection was cut";
  }

 private:
  const Download& request_;
  PartFile& part_;
  const DownloadProgress& progress_;
  std::unique_ptr<CURL, void (*)(CURL*)> handle_;
  char error_[CURL_ERROR_SIZE] = {};
  std::int64_t started_at_ = 0;
  bool begun_ = false, stopped_ = false, page_ = false, too_long_ = false;
  int write_error_ = 0;
};

bool is_there(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

}  // namespace

DownloadOutcome download(const Download& request, const DownloadProgress& progress) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialised != CURLE_OK) throw DataError("libcurl cannot be initialised");
  if (is_there(request.path)) {
    const std::string wrong = complaint(request, request.path);
    if (wrong.empty()) return DownloadOutcome::kAlreadyThere;
    throw DataError(
        fmt::format("{}: already exists and is not overwritten, but {}; move it away", request.path, wrong));
  }
  PartFile part(request.path + ".part");
  int tries = 0;
  while (true) {
    const std::int64_t before = part.size();
    Transfer transfer(request, part, progress);
    const Transfer::Result result = transfer.run();
    if (result == Transfer::Result::kStopped) return DownloadOutcome::kStopped;
    if (result == Transfer::Result::kComplete) break;
    tries = part.size() > before ? 0 : tries + 1;
    if (tries == kTries) {
      throw DataError(
          fmt::format("{}: {} ({} times); the first {} of it stay in {}.part; run it again to continue",
                      request.url, transfer.reason(), kTries, counted(part.size(), "byte"), request.path));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200 << tries));
  }
  const std::string wrong = complaint(request, request.path + ".part");
  if (!wrong.empty()) {
    part.remove();
    throw DataError(fmt::format("{}: what was received is not the published file: {}; it was removed",
                                request.url, wrong));
  }
  part.rename_to(request.path);
  return DownloadOutcome::kDownloaded;
}

}  // namespace spikeloom::data
