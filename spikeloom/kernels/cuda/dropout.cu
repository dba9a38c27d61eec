#include "spikeloom/kernels/cuda/divisor.h"
#include "spikeloom/kernels/cuda/dropout.h"
#include "spikeloom/kernels/cuda/dropout_mask.h"
#include "spikeloom/kernels/cuda/octet.h"

namespace spikeloom::kernels::cuda {
namespace {

/// Index = octet of all steps' values; its numbers are one block of the generator.
template <class T>
struct DropOctets {
  DropoutMask mask;
  Divisor octets;  ///< of a step
  const T* input;
  T* output;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t octet) const {
    std::int64_t step = octet;
    const auto words = mask.numbers(mask.same_each_step ? octets.split(step) : octet);
    const RawOctet<T> raw = load_octet(input + octet * 8);
    float values[8];
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) values[i] = mask.apply(words, i, value_of(raw, i));
    store_octet(raw_of<T>(values), output + octet * 8);
  }
};

/// Index = value.
template <class T>
struct DropValues {
  DropoutMask mask;
  Divisor elements;
  const T* input;
  T* output;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t at) const {
    std::int64_t step = at;
    const std::int64_t e = mask.same_each_step ? elements.split(step) : at;
    output[at] = from_float<T>(mask.apply(e, to_float(input[at])));
  }
};

/// Index = value, of some samples of a batch.
template <class T>
struct DropPart {
  DropoutMask mask;
  Divisor elements;
  std::int64_t whole, first;
  const T* input;
  T* output;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t at) const {
    std::int64_t step = at;
    const std::int64_t e = first + elements.split(step);
    output[at] = from_float<T>(mask.apply(mask.same_each_step ? e : step * whole + e, to_float(input[at])));
  }
};

}  // namespace

template <class T>
void apply_dropout(const Queue& queue, const DropoutSize& size, const DropoutDraw& draw, const T* input,
                   T* output) {
  const std::int64_t count = size.num_steps * size.elements;
  const DropoutMask mask(draw);
  if (size.whole_elements() != size.elements) {
    return for_each(queue, "apply_dropout", count,
                    DropPart<T>{mask, Divisor(size.elements), size.whole, size.first, input, output});
  }
  if (size.elements % 8 == 0 && is_aligned(input) && is_aligned(output)) {
    for_each(queue, "apply_dropout", count / 8,
             DropOctets<T>{mask, Divisor(size.elements / 8), input, output});
  } else {
    for_each(queue, "apply_dropout", count, DropValues<T>{mask, Divisor(size.elements), input, output});
  }
}

template void apply_dropout(const Queue&, const DropoutSize&, const DropoutDraw&, const float*, float*);
template void apply_dropout(const Queue&, const DropoutSize&, const DropoutDraw&, const BFloat16*, BFloat16*);

}  // namespace spikeloom::kernels::cuda
