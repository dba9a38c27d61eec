#pragma once
#include <functional>
#include <optional>
#include <string>

namespace spikeloom::parallel {

/// How long a process waits for one that does not answer, unless told otherwise.
inline constexpr double kTimeoutSeconds = 300.0;

/// Which of several processes this one is, and where they meet.
struct Placement {
  int rank = 0, size = 1;              ///< of all processes of the training
  int local_rank = 0, local_size = 1;  ///< of those on this machine
  std::string address;                 ///< host name or address of the meeting point
  int port = 0;
  bool serves = false;   ///< this process has the meeting point; else it is a client
  std::string job;       ///< the same in all processes of a job and in no other, where it is known
  std::string node;      ///< of this machine, where the starter numbers them
  std::string launcher;  ///< whose variables were read: "torchrun", "Open MPI", "MPICH", "Slurm"
};

/// The value of an environment variable, if it is set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

/// What the starter of the processes says, in this order: RANK and WORLD_SIZE (torchrun, spikeloom launch, or
/// set by hand; with LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT, and TORCHELASTIC_USE_AGENT_STORE
/// where the starter has the meeting point), OMPI_COMM_WORLD_* (Open MPI), PMI_* and MPI_LOCAL* (MPICH, Intel
/// MPI), SLURM_* of a step. Where no MASTER_ADDR is set, processes of one machine meet there, and those of
/// Slurm on the first node of the step; where no MASTER_PORT is set, the port follows from the job's number.
/// Nothing: a process on its own, which one of one is as well. Throws ConfigError for values that contradict
/// each other, and where the meeting point is not known.
std::optional<Placement> find_placement(const Environment& environment);

/// This machine's address on the way to the meeting point: the one that the others can reach. (c10d's own
/// choice, what the host's name resolves to, is the loopback on many machines.) Throws ConfigError for a host
/// whose address is not found, ParallelError where no route leads to it.
std::string address_towards(const std::string& host, int port);

/// "node[03-05,9],other" -> "node03".
std::string first_host(const std::string& slurm_nodes);

}  // namespace spikeloom::parallel
