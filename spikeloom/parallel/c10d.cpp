#include "spikeloom/parallel/c10d.h"

#include <chrono>
#include <functional>
#include <utility>
#include <vector>

#include "spikeloom/ops/torch_compat.h"
#include "spikeloom/parallel/error.h"

#ifdef SPIKELOOM_WITH_C10D
#include <ATen/ops/from_blob.h>
#include <c10/util/Logging.h>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef USE_C10D_NCCL
#include <cstdlib>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif
#endif

namespace spikeloom::parallel {

#ifdef SPIKELOOM_WITH_C10D

namespace {

/// LibTorch's messages have its call stack below the first line, and Gloo's their place in its source.
std::string reason_of(const std::exception& error) {
  std::string text = error.what();
  text = text.substr(0, text.find('\n'));
  if (text.rfind('[', 0) == 0 && text.find("] ") != std::string::npos)
    text = text.substr(text.find("] ") + 2);
  return text;
}

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000.0));
}

std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

std::string place(const std::string& address, int port) { return address + ":" + std::to_string(port); }

/// What c10d logs about a port or a peer comes as an exception as well, which says it better: from the first
/// use on LibTorch logs what is fatal only.
void silence_log() {
  [[maybe_unused]] static const int once = [] {
#ifdef C10_USE_GLOG
    return FLAGS_minloglevel = 3;
#else
    return FLAGS_caffe2_log_level = 3;
#endif
  }();
}

}  // namespace

class Store::Impl {
 public:
  Impl(const std::string& address, int port, bool serves, double timeout_seconds) {
    silence_log();
    c10d::TCPStoreOptions options;
    options.port = static_cast<std::uint16_t>(port);
    options.isServer = serves;
    options.waitWorkers = false;
    options.timeout = milliseconds(timeout_seconds);
#if SPIKELOOM_TORCH_AT_LEAST(2, 4)
    options.useLibUV = false;
#endif
    store = c10::make_intrusive<c10d::TCPStore>(address, options);
    where = place(address, store->getPort());
  }

  template <class Function>
  auto ask(const Function& function) -> decltype(function()) {
    try {
      return function();
    } catch (const std::exception& error) {
      throw ParallelError("the meeting point " + where + " does not answer: " + reason_of(error));
    }
  }

  c10::intrusive_ptr<c10d::TCPStore> store;
  std::string where;
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

std::unique_ptr<Store> Store::serve(const std::string& address, int port, double timeout_seconds) {
  try {
    return std::unique_ptr<Store>(new Store(std::make_unique<Impl>(address, port, true, timeout_seconds)));
  } catch (const std::exception& error) {
    const std::string reason = error.what();
    if (reason.find("in use") != std::string::npos || reason.find("EADDRINUSE") != std::string::npos) {
      throw ConfigError("port " + std::to_string(port) +
                        " of this machine is in use: another training may meet there; choose another one "
                        "(MASTER_PORT, or --master HOST:PORT)");
    }
    throw ParallelError("cannot open the meeting point " + place(address, port) + ": " + reason_of(error));
  }
}

std::unique_ptr<Store> Store::connect(const std::string& address, int port, double timeout_seconds) {
  try {
    return std::unique_ptr<Store>(new Store(std::make_unique<Impl>(address, port, false, timeout_seconds)));
  } catch (const std::exception& error) {
    throw ParallelError("cannot reach the meeting point " + place(address, port) + ": " + reason_of(error) +
                        "; was rank 0 started, and is the address (MASTER_ADDR) its own?");
  }
}

int Store::port() const { return impl_->store->getPort(); }

void Store::set(const std::string& key, const std::string& value) {
  impl_->ask([&] { impl_->store->set(key, bytes_of(value)); });
}

std::string Store::set_first(const std::string& key, const std::string& value) {
  const auto now = impl_->ask([&] { return impl_->store->compareSet(key, {}, bytes_of(value)); });
  return {now.begin(), now.end()};
}

std::optional<std::string> Store::get(const std::string& key) {
  return impl_->ask([&]() -> std::optional<std::string> {
    if (!impl_->store->check({key})) return std::nullopt;
    const auto value = impl_->store->get(key);
    return std::string(value.begin(), value.end());
  });
}

std::int64_t Store::add(const std::string& key, std::int64_t value) {
  return impl_->ask([&] { return impl_->store->add(key, value); });
}

namespace {

[[noreturn]] void lost_contact(const std::string& what, const std::exception& error) {
  throw ParallelError("gave up waiting for the other processes (" + what + "): " + reason_of(error));
}

class GlooCommunicator : public Communicator {
 public:
  GlooCommunicator(const c10::intrusive_ptr<c10d::Store>& store, const std::string& name, int rank, int size,
                   const std::string& address, double timeout_seconds)
      : rank_(rank), size_(size) {
    // Shorter than the time-out of those who wait for this process: it says itself what it waited for.
    auto options = c10d::ProcessGroupGloo::Options::create(milliseconds(timeout_seconds));
    options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(address));
    options->threads = 1;
    group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>(name, store),
                                                         rank, size, options);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void broadcast(void* bytes, std::int64_t count, const std::string& what) override {
    std::vector<at::Tensor> tensors{view(bytes, count, at::kByte)};
    run(what, count, [&] { return group_->broadcast(tensors); });
  }

  void all_reduce(float* values, std::int64_t count, const std::string& what) override {
    reduce(values, count, at::kFloat, what);
  }
  void all_reduce(double* values, std::int64_t count, const std::string& what) override {
    reduce(values, count, at::kDouble, what);
  }

  void all_gather(const void* own, std::int64_t count, void* all, const std::string& what) override {
    std::vector<at::Tensor> from{view(const_cast<void*>(own), count, at::kByte)};
    std::vector<std::vector<at::Tensor>> to(1);
    for (int i = 0; i < size_; ++i) {
      to[0].push_back(view(static_cast<std::uint8_t*>(all) + i * count, count, at::kByte));
    }
    run(what, count, [&] { return group_->allgather(to, from); });
  }

  void all_to_all(const void* from, std::int64_t count, void* to, const std::string& what) override {
    at::Tensor sent = view(const_cast<void*>(from), size_ * count, at::kByte),
               received = view(to, size_ * count, at::kByte);
    std::vector<std::int64_t> even;
    run(what, count, [&] { return group_->alltoall_base(received, sent, even, even); });
  }

 private:
  static at::Tensor view(void* data, std::int64_t count, at::ScalarType type) {
    return at::from_blob(data, {count}, type);
  }

  void reduce(void* values, std::int64_t count, at::ScalarType type, const std::string& what) {
    std::vector<at::Tensor> tensors{view(values, count, type)};
    run(what, count, [&] { return group_->allreduce(tensors); });
  }

  template <class Start>
  void run(const std::string& what, std::int64_t count, const Start& start) {
    if (count == 0) return;
    try {
      start()->wait();
    } catch (const std::exception& error) {
      lost_contact(what, error);
    }
  }

  int rank_, size_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
};

}  // namespace

std::unique_ptr<Communicator> make_communicator(Store& store, const std::string& name, int rank, int size,
                                                const std::string& address, double timeout_seconds) {
  try {
    return std::make_unique<GlooCommunicator>(store.impl().store, name, rank, size, address, timeout_seconds);
  } catch (const std::exception& error) {
    throw ParallelError("gave up waiting for the connections between all " + std::to_string(size) +
                        " processes, here from " + address + ": " + reason_of(error));
  }
}

#ifdef USE_C10D_NCCL

namespace {

class NcclSums : public DeviceSums {
 public:
  NcclSums(const c10::intrusive_ptr<c10d::Store>& store, const std::string& name, int rank, int size,
           int device, double timeout_seconds)
      : options_(at::TensorOptions(at::kFloat).device(at::kCUDA, static_cast<c10::DeviceIndex>(device))) {
    // wait() is to throw after the time-out; otherwise a thread of LibTorch's aborts the process.
    for (const char* name_of_version : {"TORCH_NCCL_BLOCKING_WAIT", "NCCL_BLOCKING_WAIT"}) {
      ::setenv(name_of_version, "1", 1);
    }
    auto options = c10d::ProcessGroupNCCL::Options::create();
    options->timeout = milliseconds(timeout_seconds);
    group_ = c10::make_intrusive<c10d::ProcessGroupNCCL>(c10::make_intrusive<c10d::PrefixStore>(name, store),
                                                         rank, size, options);
  }

  void begin(float* values, std::int64_t count) override {
    if (count == 0) return;
    std::vector<at::Tensor> tensors{at::from_blob(values, {count}, options_)};
    try {
      begun_.push_back(group_->allreduce(tensors));
    } catch (const std::exception& error) {
      lost_contact("gradients", error);
    }
  }

  void finish(const std::string& what) override {
    try {
      for (const auto& work : begun_) work->wait();
    } catch (const std::exception& error) {
      lost_contact(what, error);
    }
    begun_.clear();
  }

 private:
  /// A class of its own in newer versions, one inside of ProcessGroup in older ones.
  using Work = decltype(std::declval<c10d::ProcessGroupNCCL&>().allreduce(
      std::declval<std::vector<at::Tensor>&>(), c10d::AllreduceOptions()));

  at::TensorOptions options_;
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> group_;
  std::vector<Work> begun_;
};

}  // namespace

std::unique_ptr<DeviceSums> make_device_sums(Store& store, const std::string& name, int rank, int size,
                                             int device, double timeout_seconds) {
  try {
    return std::make_unique<NcclSums>(store.impl().store, name, rank, size, device, timeout_seconds);
  } catch (const std::exception& error) {
    throw ParallelError("cannot connect the CUDA devices of " + std::to_string(size) +
                        " processes: " + reason_of(error));
  }
}

#else

std::unique_ptr<DeviceSums> make_device_sums(Store&, const std::string&, int, int, int, double) {
  throw ConfigError(
      "the LibTorch of this build has no NCCL, so several processes train on the CPU only: leave out "
      "--device, or start one process");
}

#endif

bool has_c10d() { return true; }

#else

namespace {
[[noreturn]] void refuse() {
  throw ConfigError(
      "this Spikeloom was built without c10d, so it trains in one process: build it with a "
      "LibTorch that has Gloo, and Gloo's headers (libgloo-dev)");
}
}  // namespace

class Store::Impl {};
Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;
std::unique_ptr<Store> Store::serve(const std::string&, int, double) { refuse(); }
std::unique_ptr<Store> Store::connect(const std::string&, int, double) { refuse(); }
int Store::port() const { refuse(); }
void Store::set(const std::string&, const std::string&) { refuse(); }
std::string Store::set_first(const std::string&, const std::string&) { refuse(); }
std::optional<std::string> Store::get(const std::string&) { refuse(); }
std::int64_t Store::add(const std::string&, std::int64_t) { refuse(); }
std::unique_ptr<Communicator> make_communicator(Store&, const std::string&, int, int, const std::string&,
                                                double) {
  refuse();
}
std::unique_ptr<DeviceSums> make_device_sums(Store&, const std::string&, int, int, int, double) { refuse(); }
bool has_c10d() { return false; }

#endif

}  // namespace spikeloom::parallel
