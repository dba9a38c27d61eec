// votes MODEL < VALUES: one sample as text, numbers in the order [steps, height, width, channels] -> each
// class with its vote. The C interface from C++.
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <vector>

#include "spikeloom/runtime/spikeloom.h"

namespace {

void check(spikeloom_status status) {
  if (status != SPIKELOOM_OK) throw std::runtime_error(spikeloom_last_error());
}

using Model = std::unique_ptr<spikeloom_model, decltype(&spikeloom_model_free)>;
using Session = std::unique_ptr<spikeloom_session, decltype(&spikeloom_session_free)>;

void print_votes(const char* path) {
  spikeloom_model* loaded = nullptr;
  check(spikeloom_model_load(path, &loaded));
  const Model model(loaded, spikeloom_model_free);
  spikeloom_session* made = nullptr;
  check(spikeloom_session_new(model.get(), &made));
  const Session session(made, spikeloom_session_free);
  const std::vector<float> values(std::istream_iterator<float>(std::cin), {});
  check(spikeloom_session_run(session.get(), values.data(), values.size()));
  for (int k = 0; k < spikeloom_model_num_classes(model.get()); ++k) {
    std::cout << spikeloom_model_class_name(model.get(), k) << ' '
              << spikeloom_session_votes(session.get())[k] << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: votes MODEL < VALUES\n";
    return 2;
  }
  try {
    print_votes(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "votes: " << error.what() << '\n';
    return 1;
  }
}
