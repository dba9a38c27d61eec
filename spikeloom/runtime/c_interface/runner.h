#pragma once
// What a handle of the C interface holds: a trained model or a graph of NIR behind one face. Internal.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/exchange/nir_simulator.h"
#include "spikeloom/model/shape.h"

namespace spikeloom::runtime {

/// One stream: the state of a network.
class Runner {
 public:
  virtual ~Runner() = default;
  virtual void reset() = 0;
  /// As Session::step() and Session::run().
  virtual void step(Span<const float> values) = 0;
  virtual void run(Span<const float> values) = 0;
  virtual std::int64_t steps() const = 0;
  virtual Span<const float> votes() const = 0;
};

/// A network that never changes, and what its file says of it.
class Runnable {
 public:
  virtual ~Runnable() = default;
  virtual std::unique_ptr<Runner> runner() const = 0;

  model::Shape input;
  int input_rank = 3;  ///< of what the network takes: 2: a graph of [channels, length], 1: of [channels]
  std::vector<std::string> class_names;
  int num_classes = 0;
  int num_steps = 0;           ///< of a sample in the training; 0: a graph does not say it
  std::int64_t window_us = 0;  ///< of a step; 0: none
  bool is_binary = false;      ///< a pixel with any event is 1
};

/// Throws what load_model() throws.
std::unique_ptr<Runnable> runnable_model(const std::string& run_or_model);
/// options: nullptr: what the graph's metadata says of dt and reset, else the defaults of NirOptions. Throws
/// what read_graph_by_library() and make_classifier() throw, and DataError where that metadata has no
/// meaning.
std::unique_ptr<Runnable> runnable_graph(const std::string& path, const exchange::NirOptions* options);

}  // namespace spikeloom::runtime
