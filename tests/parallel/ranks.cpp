#include "tests/parallel/ranks.h"

#include <gtest/gtest.h>

#include <thread>

namespace spikeloom::parallel::testing {

std::vector<std::string> run_ranks(int size, const std::function<void(Group&)>& work,
                                   double timeout_seconds) {
  const auto store = Store::serve("127.0.0.1", 0, timeout_seconds);
  std::vector<std::string> errors(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        Placement placement;
        placement.rank = placement.local_rank = rank;
        placement.size = placement.local_size = size;
        placement.address = "127.0.0.1";
        placement.port = store->port();
        placement.launcher = "test";
        const auto group = Group::join(placement, timeout_seconds);
        work(*group);
      } catch (const std::exception& error) {
        errors[static_cast<std::size_t>(rank)] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

void expect_ranks(int size, const std::function<void(Group&)>& work) {
  const auto errors = run_ranks(size, work);
  for (std::size_t rank = 0; rank < errors.size(); ++rank) {
    EXPECT_EQ(errors[rank], "") << "rank " << rank;
  }
}

}  // namespace spikeloom::parallel::testing
