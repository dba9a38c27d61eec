#include "spikeloom/parallel/group.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "spikeloom/parallel/error.h"

namespace spikeloom::parallel {

const char* const kRunKey = "/spikeloom/run";

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

/// This machine's address on the way to the meeting point: the one that the others can reach. c10d's own
/// choice, what the host's name resolves to, is the loopback on many machines.
std::string address_towards(const std::string& host, int port) {
  struct addrinfo hints {};
  hints.ai_socktype = SOCK_DGRAM;  // connecting it sends nothing
  struct addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    throw ConfigError("the meeting point '" + host + "' is no host that this machine knows: " +
                      ::gai_strerror(error) + " (MASTER_ADDR, or --master HOST:PORT)");
  }
  const std::unique_ptr<struct addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  for (const struct addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const int handle = ::socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (handle < 0) continue;
    struct sockaddr_storage own {};
    socklen_t length = sizeof own;
    std::array<char, NI_MAXHOST> text{};
    const bool good = ::connect(handle, at->ai_addr, at->ai_addrlen) == 0 &&
                      ::getsockname(handle, reinterpret_cast<struct sockaddr*>(&own), &length) == 0 &&
                      ::getnameinfo(reinterpret_cast<struct sockaddr*>(&own), length, text.data(),
                                    text.size(), nullptr, 0, NI_NUMERICHOST) == 0;
    ::close(handle);
    if (good) return text.data();
  }
  throw ParallelError("there is no way from this machine to the meeting point " + host + ": " +
                      std::strerror(errno));
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "?";
}

}  // namespace

std::string Group::who() const {
  return "rank " + std::to_string(rank()) + " (" + host_name() + ", process " + std::to_string(::getpid()) +
         ")";
}

Group::Group(const Placement& placement, double timeout_seconds)
    : placement_(placement), timeout_seconds_(timeout_seconds) {
  const std::string own = address_towards(placement_.address, placement_.port);
  store_ = placement_.serves ? Store::serve(placement_.address, placement_.port, timeout_seconds)
                             : Store::connect(placement_.address, placement_.port, timeout_seconds);
  const std::string taken = store_->set_first(key("rank/" + std::to_string(rank())), who());
  if (taken != who()) {
    throw ConfigError(
        "this is " + who() + ", and " + taken + " is in its place already: another training meets at " +
        placement_.address + ":" + std::to_string(placement_.port) +
        ", or a rank was started twice; choose another port (MASTER_PORT, or --master HOST:PORT)");
  }
  control_ = make_communicator(*store_, key("control"), rank(), size(), own, timeout_seconds);
  gradients_ = make_communicator(*store_, key("gradients"), rank(), size(), own, timeout_seconds);
}

Group::~Group() = default;

std::unique_ptr<Group> Group::join(const Placement& placement, double timeout_seconds) {
  return std::unique_ptr<Group>(new Group(placement, timeout_seconds));
}

std::string Group::share(const std::string& text, const std::string& what) {
  auto length = static_cast<std::int64_t>(text.size());
  control_->broadcast(&length, sizeof length, what);
  std::string shared = text;
  shared.resize(static_cast<std::size_t>(length));
  control_->broadcast(shared.data(), length, what);
  return shared;
}

std::vector<std::string> Group::gather(const std::string& text, const std::string& what) {
  std::vector<std::int64_t> lengths(static_cast<std::size_t>(size()));
  const auto length = static_cast<std::int64_t>(text.size());
  control_->all_gather(&length, sizeof length, lengths.data(), what);
  const auto longest = static_cast<std::size_t>(*std::max_element(lengths.begin(), lengths.end()));
  std::string own = text, all(longest * lengths.size(), '\0');
  own.resize(longest);
  control_->all_gather(own.data(), static_cast<std::int64_t>(longest), all.data(), what);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    texts.push_back(all.substr(i * longest, static_cast<std::size_t>(lengths[i])));
  }
  return texts;
}

bool Group::any(bool own, const std::string& what) {
  float count = own ? 1.0f : 0.0f;
  control_->all_reduce(&count, 1, what);
  return count > 0.0f;
}

void Group::alive() {
  if (seconds_since(last_sign_) < 1.0) return;
  last_sign_ = Clock::now();
  store_->add(key("alive/" + std::to_string(rank())), 1);
}

void Group::throw_if_left() {
  if (const auto left = store_->get(key("left"))) throw ParallelError(*left);
}

// Rank 0 looks after all, the others after rank 0: the table is not asked by each for each.
void Group::meet(const std::string& what) {
  const std::string arrived = key("meeting/" + std::to_string(meetings_++));
  store_->add(arrived, 1);
  struct Sign {
    int rank;
    std::int64_t value = -1;
    Clock::time_point since;
  };
  std::vector<Sign> signs;
  for (int r = 0; r < (leads() ? size() : 1); ++r) {
    if (r != rank()) signs.push_back({r, -1, Clock::now()});
  }
  auto last_look = Clock::now();
  while (store_->add(arrived, 0) < size()) {
    alive();
    throw_if_left();
    if (seconds_since(last_look) > std::min(1.0, timeout_seconds_ / 4.0)) {
      last_look = Clock::now();
      for (Sign& sign : signs) {
        const std::int64_t now = store_->add(key("alive/" + std::to_string(sign.rank)), 0);
        if (now != sign.value) sign = {sign.rank, now, Clock::now()};
        if (seconds_since(sign.since) < timeout_seconds_) continue;
        throw ParallelError("waited for rank " + std::to_string(sign.rank) + " (" + what +
                            ") in vain: no sign of it for " +
                            std::to_string(static_cast<int>(timeout_seconds_)) + " s");
      }
    }
    pause();
  }
}

void Group::note_run(const std::string& path) {
  if (leads() && !placement_.serves) store_->set(kRunKey, path);
}

// Rank 0 waits until the others have said that they need the table no more.
void Group::linger(const std::string& name, double seconds) {
  if (!leads()) {
    store_->add(key(name), 1);
    return;
  }
  const auto start = Clock::now();
  while (store_->add(key(name), 0) < size() - 1 && seconds_since(start) < seconds) pause();
}

void Group::leave(const std::string& reason) noexcept {
  try {
    store_->set_first(key("left"), who() + " has left: " + reason);
    if (leads()) linger("heard", std::min(timeout_seconds_, 3.0));
  } catch (const std::exception&) {  // then the others notice that it is gone
  }
}

std::string Group::explain(const std::string& error) noexcept {
  std::string text = error;
  try {
    // Who leaves says so before its connections break.
    if (const auto left = store_->get(key("left"))) text = *left;
    if (!leads()) store_->add(key("heard"), 1);
  } catch (const std::exception&) {
    text += "; rank 0, or what started it, does not answer either";
  }
  return "rank " + std::to_string(rank()) + " of " + std::to_string(size()) + ": " + text;
}

void Group::finish() { linger("done", timeout_seconds_); }

}  // namespace spikeloom::parallel
