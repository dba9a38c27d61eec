#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "spikeloom/base/errors.h"
#include "spikeloom/stream/sources/datagram_sequence.h"
#include "spikeloom/stream/sources/packed_events.h"
#include "spikeloom/stream/sources/source.h"

namespace spikeloom::stream {
namespace {

constexpr std::size_t kMostSenders = 16;  // that are remembered at once

/// An address and port that datagrams come from, and what its numbers say.
struct Sender {
  sockaddr_storage address{};
  socklen_t address_size = 0;
  std::int64_t last = 0;  ///< datagram of all senders
  DatagramSequence sequence;
  /// Of datagrams that came before, until it is clear that the sender did not begin anew.
  std::vector<events::Event> held;

  bool is(const sockaddr_storage& other, socklen_t size) const {
    return size == address_size && std::memcmp(&address, &other, size) == 0;
  }
};

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
  const bool brackets_left = result.host.find_first_of("[]") != std::string::npos;
  if (!digits || std::stol(result.port) > 65535 || result.host.empty() || brackets_left) {
    throw ConfigError("'udp:" + address + "' is not an address: udp:PORT, udp:HOST:PORT or udp:[HOST]:PORT");
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
      throw DataError("udp:" + address + ": cannot listen there: " + std::strerror(error));
    }
    const bool is_v6 = asked.host.find(':') != std::string::npos;
    name_ = "udp:" + (is_v6 ? "[" + asked.host + "]" : asked.host) + ":" + std::to_string(bound_port());
  }
  ~DatagramSource() override { ::close(descriptor_); }
  DatagramSource(const DatagramSource&) = delete;
  DatagramSource& operator=(const DatagramSource&) = delete;

  State read(std::vector<events::Event>& events, std::chrono::milliseconds timeout) override {
    events.clear();
    pollfd waiting{descriptor_, POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(timeout.count())) <= 0) return State::kGoesOn;
    // Several datagrams at once, but no flood of them without end.
    for (int i = 0; i < 64 && events.size() < kReadEvents; ++i) {
      sockaddr_storage from{};
      socklen_t from_size = sizeof from;
      const ssize_t size = ::recvfrom(descriptor_, bytes_.data(), bytes_.size(), 0,
                                      reinterpret_cast<sockaddr*>(&from), &from_size);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) break;
      if (size < 0) throw DataError(name_ + ": cannot be read: " + std::strerror(errno));
      if (!decode_datagram({bytes_.data(), static_cast<std::size_t>(size)}, datagram_)) {
        ++counts_.malformed;
        continue;
      }
      ++counts_.received;
      take(sender_of(from, std::min<socklen_t>(from_size, sizeof from)), events);
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

  /// The one that is known, or a new one, which takes the place of who has been silent longest.
  Sender& sender_of(const sockaddr_storage& address, socklen_t size) {
    const auto found = std::find_if(senders_.begin(), senders_.end(),
                                    [&](const Sender& one) { return one.is(address, size); });
    if (found != senders_.end()) return *found;
    ++counts_.senders;
    if (senders_.size() == kMostSenders) {
      senders_.erase(std::min_element(senders_.begin(), senders_.end(),
                                      [](const Sender& a, const Sender& b) { return a.last < b.last; }));
    }
    Sender& sender = senders_.emplace_back();
    sender.address = address;
    sender.address_size = size;
    return sender;
  }

  /// Counts the datagram and appends its events, unless it came before.
  void take(Sender& sender, std::vector<events::Event>& events) {
    const SequenceCounts before = sender.sequence.counts();
    const DatagramSequence::Answer answer = sender.sequence.take(datagram_.number);
    const SequenceCounts& after = sender.sequence.counts();
    sender.last = counts_.received;
    counts_.lost += after.lost - before.lost;
    counts_.out_of_order += after.late - before.late;
    counts_.repeated += after.repeated - before.repeated;
    counts_.restarts += after.restarts - before.restarts;
    std::vector<events::Event>& held = sender.held;
    if (answer.restarted && answer.follows) events.insert(events.end(), held.begin(), held.end());
    if (answer.kind == DatagramSequence::Kind::kRepeated) {
      // At most kRestartRun - 1 of them follow each other.
      if (!answer.follows) held.clear();
      held.insert(held.end(), datagram_.events.begin(), datagram_.events.end());
      return;
    }
    if (answer.kind == DatagramSequence::Kind::kNew) held.clear();
    events.insert(events.end(), datagram_.events.begin(), datagram_.events.end());
  }

  std::string name_;
  int descriptor_ = -1;
  std::vector<std::uint8_t> bytes_;
  Datagram datagram_;
  DatagramCounts counts_;
  std::vector<Sender> senders_;
};

}  // namespace

std::unique_ptr<LiveSource> datagram_source(const std::string& address) {
  return std::make_unique<DatagramSource>(address);
}

}  // namespace spikeloom::stream
