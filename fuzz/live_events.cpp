// libFuzzer target of what comes in live: the first byte chooses packed stream, text, datagram or the numbers
// of datagrams, the second the size of the pieces. Events or a FormatError, and a decider that takes whatever
// events there are; counts that fit what came.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/little_endian.h"
#include "spikeloom/stream/decider.h"
#include "spikeloom/stream/sources/datagram_sequence.h"
#include "spikeloom/stream/sources/packed_events.h"
#include "spikeloom/stream/sources/text_events.h"

namespace {

using namespace spikeloom;

std::unique_ptr<runtime::Classifier> small_network() {
  auto network = std::make_shared<runtime::Network>();
  network->input = {2, 4, 4};
  network->num_classes = 2;
  runtime::Node node;
  node.inputs.push_back({});
  node.product.input = {32, 1, 1};
  node.product.output = {2, 1, 1};
  node.product.weight.assign(64, 0.25f);
  network->nodes.push_back(node);
  network->class_of = {0, 1};
  return runtime::make_classifier(network);
}

void decide(const std::vector<events::Event>& list, unsigned choice) {
  static const std::unique_ptr<runtime::Classifier> network = small_network();
  stream::DeciderSettings settings;
  settings.step_us = 1 + choice % 7;
  settings.window_steps = 3;
  settings.every_steps = 1 + choice % 3;
  settings.carries_state = choice % 2 == 1;
  settings.gap_us = 1000;
  stream::Decider decider(*network, settings);
  const stream::Decider::Decided nothing = [](const stream::Decision&) {};
  for (const events::Event& event : list) decider.take(event, nothing);
  decider.flush(nothing);
}

// Bytes as numbers: steps from the one before, small, large or of any size.
void count_numbers(Span<const std::uint8_t> bytes) {
  stream::DatagramSequence sequence;
  std::uint64_t number = 0;
  std::int64_t taken = 0;
  for (std::size_t at = 0; at + 9 <= bytes.size(); at += 9) {
    const std::uint64_t any = formats::load_little_endian_u64(bytes.data() + at + 1);
    const unsigned kind = bytes[at] % 4;
    number = kind == 0 ? any : kind == 1 ? number + 1 : number + any % 4096 - 2048;
    sequence.take(number);
    ++taken;
    const stream::SequenceCounts& counts = sequence.counts();
    if (counts.lost < 0 || counts.late + counts.repeated + counts.restarts > taken) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const unsigned kind = data[0] % 4;
  const std::size_t piece = 1 + data[1] % 64;
  const Span<const std::uint8_t> bytes{data + 2, size - 2};
  if (kind == 3) {
    count_numbers(bytes);
    return 0;
  }
  std::vector<events::Event> list;
  if (kind == 0) {
    stream::Datagram datagram;
    if (stream::decode_datagram(bytes, datagram)) list = datagram.events;
  } else {
    std::unique_ptr<stream::EventDecoder> decoder;
    if (kind == 1) {
      decoder = std::make_unique<stream::PackedDecoder>("fuzz");
    } else {
      decoder = std::make_unique<stream::TextDecoder>("fuzz", std::vector<std::string>{"t", "x", "y", "p"});
    }
    try {
      for (std::size_t at = 0; at < bytes.size(); at += piece) {
        decoder->feed(bytes.subspan(at, std::min(piece, bytes.size() - at)), list);
      }
      decoder->finish(list);
    } catch (const FormatError&) {
    }
  }
  decide(list, data[1]);
  return 0;
}
