// A main for fuzz targets without libFuzzer: runs files that are named, or else inputs made up from fixed
// random streams, the same at every run. They find what fails at once; ./run fuzz finds what does not.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz/format_name.h"
#include "spikeloom/base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int kInputs = 200;
constexpr std::uint32_t kLongest = 600;

/// Words that headers of the formats have, so that more than the first check is reached.
const std::string kWords[] = {"% evt 3.0\n",
                              "% evt 2.0\n",
                              "% end\n",
                              "% Width 640\n",
                              "#!AER-DAT",
                              "2.0\r\n",
                              "3.1\r\n",
                              "#!END-HEADER\r\n",
                              "Event Stream",
                              "\x93NUMPY\x01",
                              "t,x,y,p\n",
                              "1,2,3,1\n",
                              "{'descr': '<i8', 'fortran_order': False, 'shape': (2, 4), }\n",
                              "PK\x03\x04"};

std::string make_input(spikeloom::RandomStream& numbers) {
  std::string input;
  const std::uint32_t words = numbers.below(5);
  for (std::uint32_t i = 0; i < words; ++i)
    input += kWords[numbers.below(static_cast<std::uint32_t>(std::size(kWords)))];
  const std::uint32_t length = numbers.below(kLongest);
  const std::uint32_t values = numbers.below(3) == 0 ? 8 : 256;  // small numbers are more often valid ones
  for (std::uint32_t i = 0; i < length; ++i) input += static_cast<char>(numbers.below(values));
  return input;
}

void run(const std::string& input) {
  // A copy of exactly this size: reading beyond it is seen.
  const std::vector<std::uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

}  // namespace

int main(int count, char** arguments) {
  for (int i = 1; i < count; ++i) {
    std::ifstream file(arguments[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "%s cannot be read\n", arguments[i]);
      return 3;
    }
    run({std::istreambuf_iterator<char>(file), {}});
  }
  if (count > 1) return 0;
  run("");
  for (int i = 0; i < kInputs; ++i) {
    spikeloom::RandomStream numbers(static_cast<std::uint64_t>(i), spikeloom::RandomPurpose::kBench);
    run(make_input(numbers));
  }
  std::printf("%s: %d inputs\n", kFuzzFormat, kInputs + 1);
  return 0;
}
