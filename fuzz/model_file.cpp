// libFuzzer target of model files: a sound model of a small network, of which the bytes change some places:
// what the runtime makes of it is a network that runs, or one typed error.
#include "spikeloom/runtime/model_file.h"

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/log.h"
#include "spikeloom/formats/safetensors.h"
#include "spikeloom/model/program.h"
#include "spikeloom/runtime/session.h"

namespace {

using namespace spikeloom;

struct Choices {
  const std::uint8_t* data;
  std::size_t size, at = 0;
  unsigned next() { return at < size ? data[at++] : 0U; }
  unsigned below(unsigned count) { return (next() << 8 | next()) % count; }
};

const std::string& path() {
  static const std::string name = "/dev/shm/spikeloom-fuzz-" + std::to_string(::getpid()) + ".safetensors";
  return name;
}

/// The bytes of a sound model, without checksums, which would end every change at the first tensor.
const std::string& sound_model() {
  static const std::string bytes = [] {
    train::ModelInfo info;
    info.recipe = train::parse_recipe(
        "[data]\ndataset = \"folder\"\nfolder = \"x\"\n[network]\nstructure = \"2C3(Encoding)-AP2-Voting\"\n"
        "num_steps = 2\n[voting]\nneurons_per_class = 2\n[compute]\nprecision = \"fp32\"\n",
        "fuzz.toml");
    info.input = {2, 4, 4};
    info.class_names = {"a", "b"};
    const model::Program program = model::make_program(info.plan(), info.recipe.network, info.recipe.seed);
    std::vector<std::vector<float>> values;
    for (const model::Slot& slot : program.slots)
      values.emplace_back(static_cast<std::size_t>(slot.size), 0.25f);
    std::vector<formats::TensorView> tensors;
    for (std::size_t i = 0; i < program.slots.size(); ++i) {
      tensors.push_back(
          {program.slots[i].name, formats::DType::kF32, program.slots[i].shape, values[i].data()});
    }
    tensors.push_back({"voting.class_of",
                       formats::DType::kI32,
                       {static_cast<std::int64_t>(program.class_of.size())},
                       program.class_of.data()});
    formats::write_safetensors(path(), tensors, train::to_metadata(info, "spikeloom-model"));
    std::ifstream file(path(), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }();
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  set_log_sink([](LogLevel, const std::string&) {});
  std::string bytes = sound_model();
  Choices choices{data, size};
  for (unsigned changes = choices.below(6); changes > 0; --changes) {
    const std::size_t at = choices.below(static_cast<unsigned>(bytes.size()));
    switch (choices.below(4)) {
      case 0:
        bytes[at] = static_cast<char>(choices.next());
        break;
      case 1:
        bytes[at] = static_cast<char>('0' + choices.below(10));  // numbers of header and recipe
        break;
      case 2:
        bytes.insert(at, 1, static_cast<char>(choices.next()));
        break;
      default:
        bytes.erase(at, 1 + choices.below(64));
        if (bytes.empty()) bytes = "x";
    }
  }
  if (size > 0 && data[0] == 0xff) bytes.assign(reinterpret_cast<const char*>(data), size);
  std::ofstream(path(), std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  try {
    const runtime::Model model = runtime::load_model(path());
    const std::int64_t values = model.network->input.size();
    if (values <= 4096 && model.network->num_steps <= 64 && model.network->spiking) {
      runtime::Session session(model.network);
      const std::vector<float> frame(static_cast<std::size_t>(values), 1.0f);
      for (int t = 0; t < model.network->num_steps; ++t) session.step({frame.data(), frame.size()});
    }
  } catch (const Error&) {
  }
  ::unlink(path().c_str());
  return 0;
}
