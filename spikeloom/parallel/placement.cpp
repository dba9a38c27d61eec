#include "spikeloom/parallel/placement.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/parallel/error.h"

namespace spikeloom::parallel {
namespace {

int to_number(const std::string& name, const std::string& text, int least, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    throw ConfigError(name + " is '" + text + "': a whole number from " + std::to_string(least) + " to " +
                      std::to_string(most) + " is needed there; it is set by whatever starts the processes");
  }
  return value;
}

constexpr int kMostProcesses = 1 << 20;

class Reader {
 public:
  explicit Reader(const Environment& environment) : environment_(environment) {}

  std::string text(const std::string& name) const { return environment_(name).value_or(""); }
  bool has(const std::string& name) const { return !text(name).empty(); }
  int rank(const std::string& name) const { return to_number(name, text(name), 0, kMostProcesses - 1); }
  int count(const std::string& name) const { return to_number(name, text(name), 1, kMostProcesses); }

 private:
  const Environment& environment_;
};

/// A port that all processes of a job find, and that other jobs hardly do.
int port_of(const std::string& job) {
  std::uint32_t hash = 2166136261u;  // FNV-1a
  for (const char c : job) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return 20000 + static_cast<int>(hash % 12000u);  // below the range that systems hand out by themselves
}

/// SLURM_TASKS_PER_NODE is "4(x2),3": so many on each of two nodes, then on one.
int slurm_tasks_on(const std::string& text, int node) {
  std::size_t at = 0;
  while (at < text.size()) {
    int tasks = 0, nodes = 1;
    auto read = std::from_chars(text.data() + at, text.data() + text.size(), tasks);
    at = static_cast<std::size_t>(read.ptr - text.data());
    if (read.ec != std::errc()) break;
    if (text.compare(at, 2, "(x") == 0) {
      read = std::from_chars(text.data() + at + 2, text.data() + text.size(), nodes);
      at = static_cast<std::size_t>(read.ptr - text.data()) + 1;
    }
    if (node < nodes) return tasks;
    node -= nodes;
    ++at;  // the comma
  }
  throw ConfigError("SLURM_TASKS_PER_NODE is '" + text + "', which says nothing about this node");
}

void meet(const Reader& read, Placement& placement) {
  placement.serves = placement.rank == 0;
  placement.address = read.text("MASTER_ADDR");
  if (placement.address.empty()) {
    if (placement.launcher == "Slurm") {
      placement.address = first_host(read.text("SLURM_STEP_NODELIST"));
    } else if (placement.local_size == placement.size) {
      placement.address = "127.0.0.1";
    }
  }
  if (placement.address.empty()) {
    throw ConfigError("rank " + std::to_string(placement.rank) + " of " + std::to_string(placement.size) +
                      " does not know where the processes meet: set MASTER_ADDR to the host of rank 0 in all "
                      "of them, and MASTER_PORT to a free port there (docs/scaling.md)");
  }
  if (read.has("MASTER_PORT")) {
    placement.port = to_number("MASTER_PORT", read.text("MASTER_PORT"), 1, 65535);
  } else if (!placement.job.empty()) {
    placement.port = port_of(placement.job);
  } else {
    throw ConfigError(
        "MASTER_PORT is not set: a free port on the host of rank 0 is needed, the same in all "
        "processes (docs/scaling.md)");
  }
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* const value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

std::string address_towards(const std::string& host, int port) {
  struct addrinfo hints {};
  hints.ai_socktype = SOCK_DGRAM;  // connecting it sends nothing
  struct addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    throw ConfigError("cannot find the address of the meeting point '" + host +
                      "': " + ::gai_strerror(error) + " (MASTER_ADDR, or --master HOST:PORT)");
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
  throw ParallelError("this machine has no route to the meeting point " + host + ": " + std::strerror(errno));
}

std::string first_host(const std::string& slurm_nodes) {
  std::string host;
  for (std::size_t i = 0; i < slurm_nodes.size() && slurm_nodes[i] != ','; ++i) {
    if (slurm_nodes[i] != '[') {
      host += slurm_nodes[i];
      continue;
    }
    const std::size_t close = slurm_nodes.find(']', i);
    if (close == std::string::npos) return "";
    const std::string inside = slurm_nodes.substr(i + 1, close - i - 1);
    host += inside.substr(0, inside.find_first_of(",-"));
    i = close;
  }
  return host;
}

std::optional<Placement> find_placement(const Environment& environment) {
  const Reader read(environment);
  Placement found;
  if (read.has("RANK") && read.has("WORLD_SIZE")) {
    found.launcher = "torchrun";
    found.rank = read.rank("RANK");
    found.size = read.count("WORLD_SIZE");
    if (read.has("LOCAL_RANK")) found.local_rank = read.rank("LOCAL_RANK");
    if (read.has("LOCAL_WORLD_SIZE")) found.local_size = read.count("LOCAL_WORLD_SIZE");
    found.node = read.text("GROUP_RANK");
    if (read.has("TORCHELASTIC_RUN_ID")) {
      found.job = read.text("TORCHELASTIC_RUN_ID") + "." + read.text("TORCHELASTIC_RESTART_COUNT");
    }
  } else if (read.has("OMPI_COMM_WORLD_RANK") && read.has("OMPI_COMM_WORLD_SIZE")) {
    found.launcher = "Open MPI";
    found.rank = read.rank("OMPI_COMM_WORLD_RANK");
    found.size = read.count("OMPI_COMM_WORLD_SIZE");
    found.local_rank = read.rank("OMPI_COMM_WORLD_LOCAL_RANK");
    found.local_size = read.count("OMPI_COMM_WORLD_LOCAL_SIZE");
    found.job = read.text(read.has("PMIX_NAMESPACE") ? "PMIX_NAMESPACE" : "OMPI_MCA_ess_base_jobid");
  } else if (read.has("PMI_RANK") && read.has("PMI_SIZE") && read.has("MPI_LOCALRANKID")) {
    found.launcher = "MPICH";
    found.rank = read.rank("PMI_RANK");
    found.size = read.count("PMI_SIZE");
    found.local_rank = read.rank("MPI_LOCALRANKID");
    found.local_size = read.count("MPI_LOCALNRANKS");
    // Its processes of one machine have one parent.
    if (found.local_size == found.size) found.job = "parent " + std::to_string(::getppid());
  } else if (read.has("SLURM_PROCID") && read.has("SLURM_STEP_NUM_TASKS")) {
    // Of a step, begun by srun: the variables without STEP are in a batch script too, which is no task.
    found.launcher = "Slurm";
    found.rank = read.rank("SLURM_PROCID");
    found.size = read.count("SLURM_STEP_NUM_TASKS");
    found.local_rank = read.rank("SLURM_LOCALID");
    found.node = read.text("SLURM_NODEID");
    const std::string tasks = read.text(read.has("SLURM_STEP_TASKS_PER_NODE") ? "SLURM_STEP_TASKS_PER_NODE"
                                                                              : "SLURM_TASKS_PER_NODE");
    found.local_size = slurm_tasks_on(tasks, read.rank("SLURM_NODEID"));
    found.job = read.text("SLURM_JOB_ID") + "." + read.text("SLURM_STEP_ID");
  } else {
    return std::nullopt;
  }
  if (found.rank >= found.size || found.local_rank >= found.local_size || found.local_size > found.size) {
    throw ConfigError("the variables of " + found.launcher + " contradict each other: rank " +
                      std::to_string(found.rank) + " of " + std::to_string(found.size) +
                      ", on this machine " + std::to_string(found.local_rank) + " of " +
                      std::to_string(found.local_size));
  }
  if (found.size == 1) return std::nullopt;
  meet(read, found);
  if (read.text("TORCHELASTIC_USE_AGENT_STORE") == "True") found.serves = false;
  return found;
}

}  // namespace spikeloom::parallel
