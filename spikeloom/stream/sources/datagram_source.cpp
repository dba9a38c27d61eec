#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "spikeloom/base/errors.h"
#include "spikeloom/stream/sources/packed_events.h"
#include "spikeloom/stream/sources/source.h"

namespace spikeloom::stream {
namespace {

constexpr std::uint64_t kRestart = std::uint64_t{1} << 20;  // a jump of numbers: the sender began anew

struct HostAndPort {
  std::string host, port;
};

HostAndPort split_address(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  HostAndPort result{"127.0.0.1", address};
  if (colon != std::string::npos) result = {address.substr(0, colon), address.substr(colon + 1)};
  if (result.host.size() > 2 && result.host.front() == '[' && result.host.back() == ']') {
    result.host = result.host.substr(1, result.host.size() - 2);
  }
  const bool digits = !result.port.empty() && result.port.size() <= 5 &&
                      result.port.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || std::stol(result.port) > 65535 || result.host.empty()) {
    throw ConfigError("'udp:" + address + "' is no address: udp:PORT, udp:HOST:PORT or udp:[HOST]:PORT");
  }
  return result;
}

class DatagramSource : public LiveSource {
 public:
  explicit DatagramSource(const std::string& address) : bytes_(std::size_t{1} << 16) {
    const HostAndPort asked = split_address(address);
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags = AI_PASSIVE;
    addrinfo* found = nullptr;
    if (const int code = ::getaddrinfo(asked.host.c_str(), asked.port.c_str(), &hints, &found); code != 0) {
      throw DataError("udp:" + address + ": " + ::gai_strerror(code));
    }
    descriptor_ = ::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int buffer = 8 << 20;  // what the system allows of it
    if (descriptor_ >= 0) ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    const bool bound = descriptor_ >= 0 && ::bind(descriptor_, found->ai_addr, found->ai_addrlen) == 0;
    const int error = errno;
    ::freeaddrinfo(found);
    if (!bound) {
      if (descriptor_ >= 0) ::close(descriptor_);
      throw DataError("udp:" + address + ": cannot be listened on: " + std::strerror(error));
    }
    name_ = "udp:" + asked.host + ":" + std::to_string(bound_port());
  }
  ~DatagramSource() override { ::close(descriptor_); }
  DatagramSource(const DatagramSource&) = delete;
  DatagramSource& operator=(const DatagramSource&) = delete;

  State read(std::vector<events::Event>& events, std::chrono::milliseconds timeout) override {
    events.clear();
    pollfd waiting{descriptor_, POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(timeout.count())) <= 0) return State::kGoesOn;
    // Several datagrams at once, but none that would not fit, nor a flood of bad ones without end.
    for (int i = 0; i < 64 && events.size() + kMostDatagramEvents <= 2 * kMostDatagramEvents; ++i) {
      const ssize_t size = ::recv(descriptor_, bytes_.data(), bytes_.size(), 0);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) break;
      if (size < 0) throw DataError(name_ + ": cannot be read: " + std::strerror(errno));
      if (!decode_datagram({bytes_.data(), static_cast<std::size_t>(size)}, datagram_)) {
        ++counts_.malformed;
        continue;
      }
      ++counts_.received;
      count_number(datagram_.number);
      events.insert(events.end(), datagram_.events.begin(), datagram_.events.end());
    }
    return State::kGoesOn;
  }

  const std::string& name() const override { return name_; }
  const DatagramCounts* datagrams() const override { return &counts_; }

 private:
  std::uint16_t bound_port() const {
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    if (::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    std::memcpy(&v4, &bound, sizeof v4);
    std::memcpy(&v6, &bound, sizeof v6);
    return ntohs(bound.ss_family == AF_INET6 ? v6.sin6_port : v4.sin_port);
  }

  void count_number(std::uint64_t number) {
    const std::uint64_t ahead = number - next_, behind = next_ - number;  // modulo 2^64
    if (!started_ || (ahead >= kRestart && behind >= kRestart)) {
      started_ = true;
      next_ = number + 1;
    } else if (ahead < kRestart) {
      counts_.lost += static_cast<std::int64_t>(ahead);
      next_ = number + 1;
    } else {
      ++counts_.out_of_order;
      if (counts_.lost > 0) --counts_.lost;
    }
  }

  std::string name_;
  int descriptor_ = -1;
  std::vector<std::uint8_t> bytes_;
  Datagram datagram_;
  DatagramCounts counts_;
  bool started_ = false;
  std::uint64_t next_ = 0;
};

}  // namespace

std::unique_ptr<LiveSource> datagram_source(const std::string& address) {
  return std::make_unique<DatagramSource>(address);
}

}  // namespace spikeloom::stream
