#include "spikeloom/engine/backend.h"

#include <stdexcept>

#include "spikeloom/base/errors.h"

namespace spikeloom::engine {

Backend::Slicing Backend::slicing(std::int64_t batch, bool, bool) const { return {0, batch}; }

Buffer Backend::slice(const Buffer&, std::int64_t, std::int64_t, std::int64_t, std::int64_t) {
  throw std::logic_error(name() + ": does not part batches");
}

Activation Backend::join(const std::vector<Samples>&, int) {
  throw std::logic_error(name() + ": does not part batches");
}

Buffer Backend::add(Buffer, const Buffer&) { throw std::logic_error(name() + ": does not add currents"); }

Buffer Backend::sum_steps(Buffer gradient, std::int64_t count) {
  if (gradient.count == count) return gradient;
  throw std::logic_error(name() + ": does not add steps");
}

double Backend::firing_rate(int, const Buffer&, const Samples&, double) {
  throw ConfigError(name() + ": cannot calibrate; calibrate on the CPU");
}

}  // namespace spikeloom::engine
