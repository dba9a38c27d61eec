#pragma once
// Internal to train: the processes that train together, or this one alone.
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/parallel/group.h"

namespace spikeloom::train {

class Ranks {
 public:
  /// group: nullptr = this process alone; must outlive it.
  explicit Ranks(parallel::Group* group = nullptr) : group_(group) {}

  bool alone() const { return group_ == nullptr; }
  int rank() const { return alone() ? 0 : group_->rank(); }
  int size() const { return alone() ? 1 : group_->size(); }
  /// Whether this one writes files and says things.
  bool leads() const { return rank() == 0; }
  parallel::Group* group() const { return group_; }

  /// The text of rank 0 in all.
  std::string share(const std::string& text, const std::string& what) const;
  /// The values of rank 0 in all, which have as many.
  void share(std::vector<float>& values, const std::string& what) const;
  /// Whether any of them says yes.
  bool any(bool own, const std::string& what) const;
  /// Sums over all, in place.
  void add(std::vector<double>& values, const std::string& what) const;
  /// Waits for all, however long each takes (parallel::Group::meet).
  void meet(const std::string& what) const;
  /// Tells the others that this one works on.
  void alive() const;

  /// Throws ConfigError in all of them unless each runs the same program: the same bytes.
  void check_program() const;
  /// Throws ConfigError in all of them unless each has the same text: of a recipe, line by line.
  void check_recipe(const std::string& toml) const;
  /// Throws ParallelError in all of them unless each has the same bytes.
  void check_equal(const void* bytes, std::size_t count, const std::string& what) const;

  /// Processors of this process, divided by the number of those that run on the same ones.
  int processors() const;

 private:
  parallel::Group* group_;
};

}  // namespace spikeloom::train
