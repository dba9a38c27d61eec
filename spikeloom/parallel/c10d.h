#pragma once
// LibTorch's c10d as the rest of this folder sees it. c10d.cpp is the only file that includes its headers,
// and has what differs between its versions.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace spikeloom::parallel {

/// Where processes meet: a small table of keys that one process keeps and all read and write
/// (c10d::TCPStore). Every function throws ParallelError when that process does not answer. Used from one
/// thread.
class Store {
 public:
  /// Keeps the table, on all addresses of this machine; port 0: one that the system chooses. address: as the
  /// others call this machine. Throws ConfigError if the port is in use.
  static std::unique_ptr<Store> serve(const std::string& address, int port, double timeout_seconds);
  /// Waits for the table to be there.
  static std::unique_ptr<Store> connect(const std::string& address, int port, double timeout_seconds);
  ~Store();

  int port() const;
  void set(const std::string& key, const std::string& value);
  /// Sets it unless somebody has; returns what it is now.
  std::string set_first(const std::string& key, const std::string& value);
  /// Nothing: it is not set.
  std::optional<std::string> get(const std::string& key);
  /// Adds to a number that begins at 0; returns the sum.
  std::int64_t add(const std::string& key, std::int64_t value);

  class Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Collective operations between the processes of a group (c10d's Gloo): all of them call the same ones in
/// the same order. Each waits until it is done. `what` is what it is for: said when others do not come, in a
/// ParallelError, within the time-out. Results are the same bits in every process and every run with as many
/// processes. Used from one thread at a time.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// The bytes of rank 0 in all.
  virtual void broadcast(void* bytes, std::int64_t count, const std::string& what) = 0;
  /// Sums over the processes, in place.
  virtual void all_reduce(float* values, std::int64_t count, const std::string& what) = 0;
  virtual void all_reduce(double* values, std::int64_t count, const std::string& what) = 0;
  /// own [count] bytes of each -> all [size, count], in their order.
  virtual void all_gather(const void* own, std::int64_t count, void* all, const std::string& what) = 0;
  /// from [size, count] bytes, a row for each process -> to [size, count], a row of each.
  virtual void all_to_all(const void* from, std::int64_t count, void* to, const std::string& what) = 0;
};

/// Connects `size` processes, each with each. name: of this group in the store, the same in all.
/// address: of this machine, to which others connect. Throws ParallelError.
std::unique_ptr<Communicator> make_communicator(Store& store, const std::string& name, int rank, int size,
                                                const std::string& address, double timeout_seconds);

/// Sums over processes in the memory of CUDA devices, one for each process (c10d's NCCL): all of them call
/// the same ones in the same order, from one thread.
class DeviceSums {
 public:
  virtual ~DeviceSums() = default;
  /// In place, after what was asked of the device's current stream before; returns at once.
  virtual void begin(float* values, std::int64_t count) = 0;
  /// Waits until all that were begun are done. Throws ParallelError.
  virtual void finish(const std::string& what) = 0;
};

/// device: number of the CUDA device, another one for each process of a machine. The rest as above. Throws
/// ParallelError, and ConfigError in a build whose LibTorch has no NCCL.
std::unique_ptr<DeviceSums> make_device_sums(Store& store, const std::string& name, int rank, int size,
                                             int device, double timeout_seconds);

/// Whether this build has c10d; without it, the functions above throw ConfigError.
bool has_c10d();

}  // namespace spikeloom::parallel
