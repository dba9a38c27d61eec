// Dropout, which is its own gradient.
#include "spikeloom/kernels/cpu/dropout.h"
#include "spikeloom/kernels/cuda/dropout.h"
#include "spikeloom/kernels/reference/dropout.h"
#include "tests/kernels/harness/harness.h"
#include "tests/kernels/values.h"

namespace spikeloom::kernels::harness {
namespace of_dropout {
namespace {

using test::floats_of;
using test::values_of;

constexpr std::uint64_t kLayer = 65535, kIteration = 0x123456789abcu, kSeed = 0xfedcba9876543210u;
const DropoutKey kKey{kSeed, kLayer << kDropoutIterationBits | kIteration};

template <class T>
std::vector<T> some_values(std::int64_t count, unsigned seed) {
  if constexpr (sizeof(T) == 2) {
    return values_of<T>(random_values<float>(count, seed));
  } else {
    return random_values<T>(count, seed);
  }
}

template <class T>
void apply(Run& run, const DropoutSize& size, double p, const T* input, T* output) {
  if (run.on(Backend::kCpu)) return cpu::dropout_apply(size, p, kKey, input, output);
  if constexpr (sizeof(T) != 8) {
    if (run.on(Backend::kQueue)) {
      cuda::DropoutDraw draw;
      draw.iteration = run.input(std::vector<std::uint64_t>{kIteration}, true);
      draw.layer = kLayer;
      draw.key = kSeed;
      draw.rate = p;
      draw.same_mask_each_step = size.same_mask_each_step;
      return cuda::apply_dropout(run.queue(), size, draw, input, output);
    }
  }
  if constexpr (sizeof(T) == 2) {  // the float result, rounded
    const auto count = static_cast<std::size_t>(size.num_steps * size.elements);
    auto values = floats_of(std::vector<T>(input, input + count));
    reference::dropout_apply(size, p, kKey, values.data(), values.data());
    const auto rounded = values_of<T>(values);
    std::copy(rounded.begin(), rounded.end(), output);
  } else {
    reference::dropout_apply(size, p, kKey, input, output);
  }
}

const DropoutSize kSizes[] = {{0, 5},    {3, 0},    {1, 1},    {3, 7},     {2, 2047},
                              {2, 2048}, {5, 2049}, {4, 5000}, {3, 90001}, {3, 90000}};

template <class T>
std::vector<Case> cases() {
  std::vector<Case> all;
  for (DropoutSize size : kSizes) {
    for (const double p : {0.0, 0.1, 0.3, 0.5, 0.999999, 1.0}) {
      if (size.elements > 10000 && p != 0.3 && p != 1.0) continue;
      for (const bool same : {false, true}) {
        size.same_mask_each_step = same;
        all.push_back({"T " + std::to_string(size.num_steps) + " elements " + std::to_string(size.elements) +
                           " rate " + std::to_string(p) + (same ? " same mask" : ""),
                       [size, p](Run& run) {
                         const auto values = some_values<T>(size.num_steps * size.elements, 1);
                         auto &output = run.output<T>(size.num_steps * size.elements),
                              &in_place = run.in_out(values);
                         apply<T>(run, size, p, run.input(values), output.data());
                         apply<T>(run, size, p, in_place.data(), in_place.data());
                         run.gives("output", output);
                         run.gives("in place", in_place);
                       }});
      }
    }
  }
  return all;
}

// Some samples of a batch have the mask that they have in it.
template <class T>
std::vector<Case> slices() {
  std::vector<Case> all;
  constexpr std::int64_t kSteps = 3, kBatch = 20;
  // Of 128 numbers each, and beginning anywhere within them.
  for (const auto& [sample, same] : std::vector<std::pair<std::int64_t, bool>>{
           {256, false}, {256, true}, {1, false}, {1, true}, {133, false}, {133, true}, {784, false}}) {
    const std::int64_t sample_size = sample, whole_size = sample_size * kBatch;
    const bool same_mask = same;
    const auto first_of = [](const Run& run, std::size_t i) {
      const std::vector<std::int64_t> firsts = run.on(Backend::kReference)
                                                   ? std::vector<std::int64_t>{0, kBatch}
                                                   : std::vector<std::int64_t>{0, 3, 4, 7, kBatch};
      return i < firsts.size() ? firsts[i] : -1;
    };
    all.push_back(
        {"slices of samples of " + std::to_string(sample) + (same ? ", same mask" : ""), [=](Run& run) {
           const auto values = some_values<T>(kSteps * whole_size, 1);
           std::vector<T> whole(values.size());
           for (std::size_t i = 0; first_of(run, i + 1) >= 0; ++i) {
             const std::int64_t first = first_of(run, i) * sample_size,
                                count = first_of(run, i + 1) * sample_size - first;
             std::vector<T> part;
             for (std::int64_t t = 0; t < kSteps; ++t) {
               const auto row = values.begin() + t * whole_size + first;
               part.insert(part.end(), row, row + count);
             }
             auto& output = run.output<T>(kSteps * count);
             apply<T>(run, {kSteps, count, same_mask, whole_size, first}, 0.4, run.input(part),
                      output.data());
             const auto got = output.values();
             for (std::int64_t t = 0; t < kSteps; ++t) {
               std::copy_n(got.begin() + t * count, count, whole.begin() + t * whole_size + first);
             }
           }
           run.gives("output", whole);
         }});
  }
  return all;
}

template <class T>
std::vector<Case> gradients() {
  const DropoutSize size{3, 21, false};
  return {{"linear",
           [=](Run& run) {
             auto& grad = run.output<T>(63);
             apply<T>(run, size, 0.3, run.input(some_values<T>(63, 2)), grad.data());
             run.gives("grad_input", grad, {sizeof(T) == 8 ? 1e-11 : 1e-6});
           },
           [=]() -> Outputs {
             std::vector<double> at(63, 0.5), output(63);
             const auto weights = some_values<T>(63, 2);
             const auto loss = [&] {
               reference::dropout_apply(size, 0.3, kKey, at.data(), output.data());
               double sum = 0.0;
               for (std::size_t i = 0; i < output.size(); ++i) sum += output[i] * widen(weights[i]);
               return sum;
             };
             return {{"grad_input", slopes(loss, at, 1e-1), {}}};
           }}};
}

}  // namespace
}  // namespace of_dropout

std::vector<Kernel> dropout_kernels() {
  using namespace of_dropout;
  const std::vector<Backend::Kind> everywhere{Backend::kCpu, Backend::kQueue};
  const char* const linear = "as of the whole";
  return {{"dropout float", everywhere, "", cases<float>, gradients<float>},
          {"dropout double", {Backend::kCpu}, "queues have no double", cases<double>, gradients<double>},
          {"dropout bfloat16", everywhere, "", cases<BFloat16>, {}, "that of float, rounded"},
          {"dropout of slices float", everywhere, "", slices<float>, {}, linear},
          {"dropout of slices bfloat16", everywhere, "", slices<BFloat16>, {}, linear}};
}

}  // namespace spikeloom::kernels::harness
