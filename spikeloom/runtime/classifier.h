#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/exchange/nir_simulator.h"
#include "spikeloom/model/shape.h"
#include "spikeloom/runtime/network.h"

namespace spikeloom::runtime {

/// A network that is run a step at a time, wherever it came from: a trained model (Session, in float) or a
/// graph of NIR (NirSimulator, in double). Used by one thread at a time.
class Classifier {
 public:
  virtual ~Classifier() = default;
  /// Another one of the same network, at its beginning; they share the weights.
  virtual std::unique_ptr<Classifier> another() const = 0;
  /// What a step is: frames of it are [H, W, C] in memory.
  virtual model::Shape input() const = 0;
  /// Back to the beginning.
  virtual void reset() = 0;
  /// One step. Throws what Session::step and NirSimulator::step throw.
  virtual void step(Span<const float> frame) = 0;
  /// Steps since reset().
  virtual std::int64_t steps() const = 0;
  /// Of each class: the sum over its neurons and the steps since reset(), and how many neurons it has.
  virtual Span<const double> sums() const = 0;
  virtual Span<const std::int64_t> populations() const = 0;
  /// Since reset(), as Session and NirSimulator count them: one for each synapse that a spike or event
  /// reaches.
  virtual std::int64_t synaptic_operations() const = 0;
  /// The most steps from a reset on; 0: any number (Node::step_factor).
  virtual std::int64_t most_steps() const = 0;
};

/// Throws ConfigError for an artificial network, which has no steps.
std::unique_ptr<Classifier> make_classifier(std::shared_ptr<const Network> network);

/// The outputs of the graph are its classes. Throws what NirSimulator does, and ShapeError unless its input
/// is [channels, height, width] or [channels], which is a frame of one pixel.
std::unique_ptr<Classifier> make_classifier(const formats::NirGraph& graph,
                                            const exchange::NirOptions& options);
std::unique_ptr<Classifier> make_classifier(exchange::NirSimulator graph);

}  // namespace spikeloom::runtime
