#pragma once
// One harness over every kernel and every backend. A kernel is an entry: its cases, a function that runs one
// of them on a backend, and how far from the reference each output may be. The harness runs each case on each
// backend that has the kernel, with arrays that are poisoned, guarded and of different alignment, and
// compares: with the reference (match), or with a gradient that was found another way (gradient).
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/kernels/cuda/array.h"
#include "tests/kernels/values.h"

namespace spikeloom::kernels::harness {

using cuda::test::Array;

/// Where kernels run: plain loops; threads and SIMD of the processor at a level of this machine; the queues
/// of kernels/cuda, on the host and, where there is one, on a device.
struct Backend {
  enum Kind { kReference, kCpu, kQueue };
  Kind kind = kReference;
  std::string simd_level;  ///< kCpu
  cuda::Queue queue;       ///< where arrays lie
  std::string name() const;
};

/// All of this machine, the reference first.
std::vector<Backend> backends();

/// How a case is run; outputs must be right in every one, and on the CPU the same bits.
struct Setting {
  int threads = 1;
  std::int64_t shift = 0;      ///< elements from an aligned address
  std::uint8_t poison = 0xff;  ///< bytes of outputs before they are written; NaN of floats
};

/// The larger of the first two, and of_each; all 0: equal bits. NaN is never right.
struct Tolerance {
  double absolute = 0.0;
  double of_largest = 0.0;  ///< times the largest magnitude of what is wanted
  double of_norm = 0.0;     ///< unless 0, alone: of the difference's 2-norm, times that of what is wanted
  double of_each = 0.0;     ///< times the magnitude of the value that is wanted
};

/// What a kernel wrote, as doubles, which hold every type exactly.
struct Output {
  std::string name;
  std::vector<double> values;
  Tolerance tolerance;
};
using Outputs = std::vector<Output>;

inline double widen(double value) { return value; }
inline double widen(float value) { return static_cast<double>(value); }
inline double widen(BFloat16 value) { return static_cast<double>(to_float(value)); }
template <class T>
double widen(T value) {
  return static_cast<double>(value);
}

/// One run of a case on a backend: hands out its arrays and takes its outputs.
class Run {
 public:
  Run(const Backend& backend, const Setting& setting);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  const Backend& backend() const { return backend_; }
  const cuda::Queue& queue() const { return backend_.queue; }
  bool on(Backend::Kind kind) const { return backend_.kind == kind; }
  /// Whether exp and the like may differ from the host's in the last places.
  bool on_device() const { return backend_.queue.on_device; }

  /// An input, which no kernel may change. aligned: whatever the setting says, as packed spikes are.
  template <class T>
  const T* input(const std::vector<T>& values, bool aligned = false) {
    const auto array = keep<T>(backend_.queue, values, aligned ? 0 : setting_.shift);
    untouched_.push_back([array, values] {
      const auto now = array->values();
      return values.empty() || std::memcmp(now.data(), values.data(), values.size() * sizeof(T)) == 0;
    });
    return array->data();
  }
  template <class T>
  Array<T>& output(std::int64_t count, bool aligned = false) {
    return *keep<T>(backend_.queue, count, aligned ? 0 : setting_.shift, setting_.poison);
  }
  /// Read and written: in place, or added to.
  template <class T>
  Array<T>& in_out(const std::vector<T>& values, bool aligned = false) {
    return *keep<T>(backend_.queue, values, aligned ? 0 : setting_.shift);
  }
  void* workspace(std::int64_t bytes) { return output<std::uint8_t>(bytes, true).data(); }

  /// An output is read back, and its guards looked at.
  template <class T>
  void gives(const std::string& name, const Array<T>& array, const Tolerance& tolerance = {}) {
    gives(name, array.values(), tolerance);
  }
  template <class T>
  void gives(const std::string& name, const std::vector<T>& values, const Tolerance& tolerance = {}) {
    std::vector<double> wide(values.size());
    std::transform(values.begin(), values.end(), wide.begin(), [](T value) { return widen(value); });
    outputs_.push_back({name, std::move(wide), tolerance});
  }
  void gives(const std::string& name, double value, const Tolerance& tolerance = {}) {
    outputs_.push_back({name, {value}, tolerance});
  }

  /// Instead of outputs: this SIMD level has no such kernel.
  void lacks(const std::string& what) { lacking_ = what; }
  const std::string& lacking() const { return lacking_; }

  /// The outputs, once inputs and guards are found as they were.
  Outputs finish();

 private:
  template <class T, class... Arguments>
  std::shared_ptr<Array<T>> keep(const Arguments&... arguments) {
    auto array = std::make_shared<Array<T>>(arguments...);
    arrays_.push_back(array);
    return array;
  }

  Backend backend_;
  Setting setting_;
  int threads_before_;
  std::vector<std::shared_ptr<void>> arrays_;
  std::vector<std::function<bool()>> untouched_;
  Outputs outputs_;
  std::string lacking_;
};

struct Case {
  std::string name;
  std::function<void(Run&)> run;
  /// What is right; without it, what the reference gives. A gradient's: finite differences of the reference's
  /// forward pass in double, or a reference that keeps more.
  std::function<Outputs()> want = {};
};

struct Kernel {
  std::string name;
  std::vector<Backend::Kind> on;  ///< the reference is always one
  std::string elsewhere;          ///< why not on the others
  std::function<std::vector<Case>()> match;
  std::function<std::vector<Case>()> gradient;  ///< may be empty
  std::string no_gradient = "";                 ///< then why
};

/// test::random_values, kept: cases draw the same ones again and again.
template <class T>
const std::vector<T>& random_values(std::int64_t size, unsigned seed, double scale = 1.0) {
  static std::map<std::tuple<std::int64_t, unsigned, double>, std::vector<T>> kept;
  if (kept.size() > 200) kept.clear();
  std::vector<T>& values = kept[{size, seed, scale}];
  if (values.empty()) values = test::random_values<T>(size, seed, scale);
  return values;
}

inline void PrintTo(const Kernel& kernel, std::ostream* to) { *to << kernel.name; }

/// Central differences of a loss of values, in each of them; the loss reads `at`.
std::vector<double> slopes(const std::function<double()>& loss, std::vector<double>& at, double step);

/// Compares by name; each of `got` must be wanted.
void expect_same(const Outputs& got, const Outputs& want);

/// Outputs of one run; `lacking`, unless nullptr, gets what the backend has not.
Outputs run(const Case& item, const Backend& backend, const Setting& setting, std::string* lacking = nullptr);

/// All kernels: one function a family, one family a file.
std::vector<Kernel> kernels();
std::vector<Kernel> lif_kernels();
std::vector<Kernel> compact_lif_kernels();
std::vector<Kernel> pool_kernels();
std::vector<Kernel> max_pool_kernels();
std::vector<Kernel> dropout_kernels();
std::vector<Kernel> neunorm_kernels();
std::vector<Kernel> batch_norm_kernels();
std::vector<Kernel> voting_kernels();
std::vector<Kernel> event_kernels();
std::vector<Kernel> window_kernels();
std::vector<Kernel> value_kernels();

template <class T>
const char* type_name();
template <>
inline const char* type_name<float>() {
  return "float";
}
template <>
inline const char* type_name<double>() {
  return "double";
}
template <>
inline const char* type_name<BFloat16>() {
  return "bfloat16";
}

}  // namespace spikeloom::kernels::harness
