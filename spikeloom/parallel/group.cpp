#include "spikeloom/parallel/group.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "spikeloom/parallel/error.h"
#include "spikeloom/parallel/pause.h"

namespace spikeloom::parallel {

const char* const kRunKey = "/spikeloom/run";

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The same in all processes of a machine, whatever its name, and in no other's.
std::string machine_name(const Placement& placement) {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  return placement.node + " " + boot;
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
        "this is " + who() + ", but " + taken + " has already taken its place: another training meets at " +
        placement_.address + ":" + std::to_string(placement_.port) +
        ", or a rank was started twice; choose another port (MASTER_PORT, or --master HOST:PORT)");
  }
  run([&] {
    control_ = make_communicator(*store_, key("control"), rank(), size(), own, timeout_seconds);
    gradients_ = make_communicator(*store_, key("gradients"), rank(), size(), own, timeout_seconds);
  });
}

Group::~Group() = default;

std::unique_ptr<Group> Group::join(const Placement& placement, double timeout_seconds) {
  return std::unique_ptr<Group>(new Group(placement, timeout_seconds));
}

DeviceSums& Group::device_gradients(int device) {
  if (device_gradients_ == nullptr) {
    device_gradients_ =
        make_device_sums(*store_, key("device gradients"), rank(), size(), device, timeout_seconds_);
  }
  return *device_gradients_;
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

// What leave() has set: "EXIT_CODE REASON".
std::optional<ParallelError> Group::who_left() {
  const auto left = store_->get(key("left"));
  if (!left) return std::nullopt;
  return ParallelError(left->substr(left->find(' ') + 1), std::atoi(left->c_str()));
}

// A reason of its own is told once on each machine; that contact was lost, only where no reason was.
bool Group::tells(const std::string& reason) {
  const std::string told = key("told/" + machine_name(placement_));
  const bool first = store_->add(told, 1) == 1;
  return reason.empty() ? first : store_->add(told + "/" + reason, 1) == 1;
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
    if (const auto left = who_left()) throw *left;
    if (seconds_since(last_look) > std::min(1.0, timeout_seconds_ / 4.0)) {
      last_look = Clock::now();
      for (Sign& sign : signs) {
        const std::int64_t now = store_->add(key("alive/" + std::to_string(sign.rank)), 0);
        if (now != sign.value) sign = {sign.rank, now, Clock::now()};
        if (seconds_since(sign.since) < timeout_seconds_) continue;
        throw ParallelError("gave up waiting for rank " + std::to_string(sign.rank) + " (" + what +
                            "): no sign of it for " + std::to_string(static_cast<int>(timeout_seconds_)) +
                            " s");
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

// Those who wait for this one notice at once.
void Group::disconnect() {
  control_.reset();
  gradients_.reset();
  device_gradients_.reset();
}

bool Group::leave(const std::string& reason, int exit_code) noexcept {
  bool told_by_others = false;
  try {
    told_by_others = !tells(reason);
    store_->set_first(key("left"), std::to_string(exit_code) + " " + who() + " has left: " + reason);
    disconnect();
    linger("heard", std::min(timeout_seconds_, 3.0));
  } catch (const std::exception&) {  // then the others notice that it is gone
  }
  return !told_by_others;
}

// Each that has lost the others says so; who does not within a while is the one that was lost.
std::string Group::missing_ranks() {
  const auto sign = [this](int rank) { return key("lost/" + std::to_string(rank)); };
  constexpr double kWhileSeconds = 2.0;
  constexpr std::size_t kNamed = 8;
  const auto start = Clock::now();
  while (store_->add(key("lost"), 0) < size() - 1 && seconds_since(start) < kWhileSeconds) pause();
  std::string names;
  std::size_t count = 0;
  for (int r = 0; r < size(); ++r) {
    if (store_->add(sign(r), 0) > 0) continue;
    if (++count <= kNamed) names += (count > 1 ? ", " : "") + std::to_string(r);
  }
  if (count == 0) return "";
  if (count > kNamed) names += " and " + std::to_string(count - kNamed) + " others";
  return "; no sign of rank" + std::string(count > 1 ? "s " : " ") + names +
         ": killed, stopped, or the network is cut";
}

ParallelError Group::explain(const ParallelError& error) noexcept {
  std::string text = error.what();
  int exit_code = error.exit_code();
  bool told = false;
  try {
    disconnect();
    // Who leaves says so before its connections break.
    const auto left = who_left();
    if (left) {
      text = left->what();
      exit_code = left->exit_code();
    }
    told = !tells("");
    store_->add(key("lost/" + std::to_string(rank())), 1);
    store_->add(key("lost"), 1);
    if (!told && !left) text += missing_ranks();
    if (!leads()) linger("heard", 0.0);
  } catch (const std::exception&) {
    text += "; rank 0, or what started it, does not answer either";
  }
  return ParallelError("rank " + std::to_string(rank()) + " of " + std::to_string(size()) + ": " + text,
                       exit_code, told);
}

void Group::finish() { linger("done", timeout_seconds_); }

}  // namespace spikeloom::parallel
