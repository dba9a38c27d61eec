// Live events, exported networks and graphs of NIR from the command line: what stream and graphs say is what
// predict says of the same recordings.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <sstream>
#include <thread>

#include "spikeloom/formats/nir/read.h"
#include "spikeloom/formats/nir/write.h"
#include "tests/app/program.h"
#include "tests/data/made_images.h"

namespace spikeloom::app::testing {
namespace {

class Live : public ProgramTest {
 protected:
  /// Events at x = 2 or x = 20, in less than eight steps of 500 us.
  static std::string recording(bool is_right, int number) {
    std::string text = "%geometry:24,20\nt,x,y,p\n";
    for (int k = 0; k < 20 + number; ++k) {
      text +=
          std::to_string(1000 + 100 * k) + "," + (is_right ? "20," : "2,") + std::to_string(k % 20) + ",1\n";
    }
    return text;
  }

  void SetUp() override {
    for (int i = 0; i < 12; ++i) {
      for (const bool is_right : {false, true}) {
        const std::string part = i < 6 ? "own/train/" : "own/test/";
        write(part + (is_right ? "right" : "left") + "/" + std::to_string(i) + ".csv",
              recording(is_right, i));
      }
    }
    write("own.toml",
          "[data]\ndataset = \"folder\"\nfolder = \"own\"\nwindow_us = 500\n"
          "[network]\nstructure = \"8C3(Encoding)-AP2-Voting\"\nnum_steps = 8\n"
          "[compute]\nprecision = \"fp32\"\n[training]\nepochs = 8\nbatch_size = 4\n");
    const auto trained = run({"train", "own.toml", "--out", "run", "--threads", "2"});
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
  }

  /// Standard output of `stream --json`: the decisions, and the summary behind them.
  static std::vector<nlohmann::json> lines_of(const std::string& out) {
    std::vector<nlohmann::json> lines;
    std::istringstream stream(out);
    for (std::string line; std::getline(stream, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  void expect_synaptic_operations_of_the_report() const {
    const auto made = run({"report", "run", "--samples", "0", "--threads", "2"});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const std::string page = read("run/report.html"), begin = "id=\"data\">";
    const std::size_t from = page.find(begin) + begin.size();
    const auto data = nlohmann::json::parse(page.substr(from, page.find("</script>", from) - from));
    double of_report = 0.0;
    for (const auto& layer : data["observed"]["cost"]["layers"])
      of_report += layer["synaptic_operations"].get<double>();
    ASSERT_EQ(data["observed"]["samples"], 12);
    double streamed = 0.0;
    for (int i = 6; i < 12; ++i) {
      for (const std::string side : {"left", "right"}) {
        const auto outcome = run({"stream", "run", "own/test/" + side + "/" + std::to_string(i) + ".csv",
                                  "--speed", "max", "--json"});
        ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
        streamed += lines_of(outcome.out).back().at("summary").at("synaptic_operations").get<double>();
      }
    }
    EXPECT_GT(streamed, 0.0);
    EXPECT_NEAR(streamed / 12.0, of_report, 1e-5 * of_report);
  }

  void expect_order_of_columns() const {
    write("unnamed.txt", "3,4,70000,1\n5,6,70001,0\n");
    const std::vector<std::vector<std::string>> commands{
        {"predict", "run", "unnamed.txt", "unnamed.txt", "--sensor", "24x20"},
        {"stream", "run", "unnamed.txt", "--sensor", "24x20", "--speed", "max"}};
    for (const std::vector<std::string>& command : commands) {
      const auto outcome = run(command);
      EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
      const std::string said = "unnamed.txt: columns read as x,y,t,p (from the values;";
      const std::size_t first = outcome.err.find(said);
      EXPECT_NE(first, std::string::npos) << outcome.err;
      EXPECT_EQ(outcome.err.find(said, first + 1), std::string::npos) << "once: " << outcome.err;
    }
  }

  void expect_packed_recordings() const {
    const std::string csv = "own/test/right/8.csv";
    ASSERT_EQ(run({"convert", csv, "8.packed", "--to", "packed"}).exit_code, 0);
    EXPECT_EQ(read("8.packed").substr(0, 8), "SPKEVT1\n");
    const auto described = run({"info", "8.packed", "--json"}).json();
    EXPECT_EQ(described.at("width"), 24);
    const auto expected = lines_of(run({"stream", "run", csv, "--speed", "max", "--json"}).out);
    for (const std::vector<std::string>& more : {std::vector<std::string>(), {"--format", "packed"}}) {
      std::vector<std::string> words{"stream", "run", "8.packed", "--speed", "max", "--json"};
      words.insert(words.end(), more.begin(), more.end());
      const auto streamed = run(words);
      ASSERT_EQ(streamed.exit_code, 0) << streamed.err;
      EXPECT_EQ(lines_of(streamed.out).at(0).at("votes"), expected.at(0).at("votes"));
    }
    EXPECT_EQ(run({"predict", "run", "8.packed"}).exit_code, 0);
  }

  void expect_no_votes_without_spikes() const {
    write("quiet.csv", "%geometry:24,20\nt,x,y,p\n1000,3,4,1\n");
    const auto streamed = run({"stream", "run", "quiet.csv", "--speed", "max"});
    ASSERT_EQ(streamed.exit_code, 0) << streamed.err;
    EXPECT_TRUE(contains(streamed.out, "no votes")) << streamed.out;
    const auto line = lines_of(run({"stream", "run", "quiet.csv", "--speed", "max", "--json"}).out).at(0);
    const auto predicted = run({"predict", "run", "quiet.csv", "--json"}).json().at("predictions").at(0);
    for (const auto& said : {line, predicted}) {
      for (const char* key : {"class", "share", "runner_up"}) EXPECT_TRUE(said.at(key).is_null()) << key;
      EXPECT_EQ(said.at("votes"), nlohmann::json({0.0, 0.0}));
    }
    EXPECT_TRUE(contains(run({"predict", "run", "quiet.csv", "--csv"}).out, "quiet.csv,,0,,\n"));
    EXPECT_TRUE(contains(run({"predict", "run", "quiet.csv"}).out, "no votes"));
  }

  void expect_options_refused() const {
    write("events.csv", "t,x,y,p\n1000,3,4,1\n");
    ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
    const std::vector<std::pair<const char*, std::vector<std::string>>> refused = {
        {"pipe", {"--speed", "max"}},     {"pipe", {"--partial"}},
        {"pipe", {"--chip", "dvs128"}},   {"pipe", {"--drop-outside"}},
        {"udp:0", {"--speed", "2"}},      {"udp:0", {"--format", "packed"}},
        {"udp:0", {"--partial"}},         {"udp:0", {"--columns", "t,x,y,p"}},
        {"udp:0", {"--time-unit", "us"}},
    };
    for (const auto& [source, option] : refused) {
      std::vector<std::string> words{"stream", "run", source};
      words.insert(words.end(), option.begin(), option.end());
      expect_error(run(words), 2, {option[0], "does not apply to"});
    }
    expect_error(run({"stream", "run", "pipe", "--format", "packed", "--columns", "t,x,y,p"}), 2,
                 {"--columns"});
    // Before the model is read, and so before a warning about a graph.
    expect_error(run({"stream", "none.nir", "events.csv", "--step-us", "5"}), 2, {"--step-us", "--bin-us"});
    expect_error(run({"stream", "none", "events.csv", "--bin-us", "5"}), 2, {"--bin-us", "--step-us"});
    expect_error(run({"stream", "none", "events.csv", "--speed", "fast"}), 2, {"--speed fast"});
    expect_error(run({"export", "some.nir", "other.nir"}), 2, {"some.nir is a NIR graph already"});
    expect_error(run({"export", "some.nir"}), 2, {"some.nir is a NIR graph already"});
  }

  /// A graph [2, 20, 24] whose values overflow, or not, before the neurons that would hide it.
  void write_graph(const std::string& name, double scale,
                   const std::map<std::string, std::string>& metadata = {}) const {
    using formats::NirKind;
    formats::NirGraph graph;
    const std::vector<std::pair<std::string, NirKind>> nodes = {
        {"input", NirKind::kInput},  {"big", NirKind::kScale}, {"bigger", NirKind::kScale},
        {"flat", NirKind::kFlatten}, {"fc", NirKind::kLinear}, {"n", NirKind::kIf},
        {"output", NirKind::kOutput}};
    const auto array = [](formats::NirShape shape, double value) {
      std::int64_t size = 1;
      for (const std::int64_t extent : shape) size *= extent;
      return formats::NirArray{formats::NirArray::Type::kFloat64, std::move(shape),
                               std::vector<double>(static_cast<std::size_t>(size), value)};
    };
    for (const auto& [node, kind] : nodes) {
      if (!graph.nodes.empty()) graph.edges.emplace_back(graph.nodes.back().name, node);
      graph.nodes.emplace_back();
      graph.nodes.back().name = node;
      graph.nodes.back().kind = kind;
    }
    const auto parameters = [&](int index) -> auto& {
      return graph.nodes[static_cast<std::size_t>(index)].parameters;
    };
    parameters(0)["shape"] = {formats::NirArray::Type::kInt64, {3}, {2, 20, 24}};
    for (const int node : {1, 2}) parameters(node)["scale"] = array({2, 20, 24}, scale);
    parameters(3)["start_dim"] = array({}, 0);
    parameters(3)["end_dim"] = array({}, -1);
    parameters(3)["input_type"] = {formats::NirArray::Type::kInt64, {3}, {2, 20, 24}};
    parameters(4)["weight"] = array({2, 960}, 1.0);
    parameters(5)["r"] = array({2}, 1.0);
    parameters(5)["v_threshold"] = array({2}, 1.0);
    parameters(6)["shape"] = {formats::NirArray::Type::kInt64, {1}, {2}};
    graph.metadata = metadata;
    formats::write_nir(path(name), graph);
  }

  /// The graph is at fault, so its file is: the exit code is that of a file, and every message names it.
  void expect_graphs_that_cannot_run_name_their_file() const {
    write_graph("sane.nir", 1.0);
    formats::NirGraph graph = formats::read_nir(path("sane.nir"));
    graph.edges.pop_back();
    formats::write_nir(path("cut-off.nir"), graph);
    for (const std::string command : {"stream", "predict"})
      expect_error(run({command, "cut-off.nir", "own/test/left/7.csv"}), 3,
                   {"cut-off.nir", "no edge leads to"});
    expect_error(run({"eval", "cut-off.nir", "--dataset", "folder", "--folder", "own"}), 3, {"cut-off.nir"});
  }

  /// Wherever a graph meets a file of another sensor than its own.
  void expect_other_sensors_refused() const {
    write_graph("sane.nir", 1.0);
    write("large.csv", "%geometry:640,480\nt,x,y,p\n1,2,3,1\n");
    for (const char* file : {"train/a/1.csv", "train/b/1.csv", "test/a/1.csv", "test/b/1.csv"})
      write(std::string("other/") + file, read("large.csv"));
    expect_error(run({"predict", "sane.nir", "large.csv"}), 3,
                 {"large.csv", "640 x 480 pixels", "a sensor of 24 x 20 pixels would fit"});
    expect_error(run({"stream", "sane.nir", "large.csv"}), 3, {"640 x 480", "24 x 20", "would fit"});
    expect_error(run({"eval", "sane.nir", "--dataset", "folder", "--folder", "other"}), 2,
                 {"[2, 20, 24]", "[2, 480, 640]"});
    ASSERT_EQ(::mkfifo(path("events").c_str(), 0600), 0);
    for (const char* model : {"sane.nir", "run"}) {
      std::thread writer([&] { write("events", read("large.csv")); });
      const auto piped = run({"stream", model, "events"});
      writer.join();
      EXPECT_EQ(piped.exit_code, 3);
      EXPECT_EQ(piped.out, "");
      EXPECT_TRUE(contains(piped.err, "640 x 480")) << piped.err;
    }
    // A file that says none is taken for one of the graph's size; one from elsewhere is not.
    write("silent.csv", "t,x,y,p\n1,2,3,1\n900,2,3,0\n");
    EXPECT_EQ(run({"predict", "sane.nir", "silent.csv"}).exit_code, 0);
    EXPECT_EQ(run({"predict", "sane.nir", "large.csv", "--sensor", "24x20"}).exit_code, 0);
  }

  void expect_overflow_is_an_error() const {
    write_graph("big.nir", 1e200);
    const std::string file = "own/test/right/8.csv";
    const auto expect_numerics = [](const Outcome& outcome, const std::string& part) {
      EXPECT_EQ(outcome.exit_code, 4) << outcome.err;
      EXPECT_EQ(outcome.out, "");
      EXPECT_TRUE(contains(outcome.err, part)) << outcome.err;
    };
    expect_numerics(run({"predict", "big.nir", file}), "v of node 'n' (IF) is not finite at step 1");
    expect_numerics(run({"stream", "big.nir", file, "--speed", "max"}), "node 'n'");
    expect_numerics(run({"eval", "big.nir", "--dataset", "folder", "--folder", "own"}), "node 'n'");
    // A model: its file says that it is whole, but its weights are out of all bounds.
    std::string bytes = read("run/model.safetensors");
    const std::size_t header = static_cast<unsigned char>(bytes[0]) |
                               static_cast<unsigned char>(bytes[1]) << 8 |
                               static_cast<unsigned char>(bytes[2]) << 16;
    auto json = nlohmann::json::parse(bytes.substr(8, header));
    const std::size_t at = 8 + header + json.at("voting.weight").at("data_offsets").at(0).get<std::size_t>();
    auto& metadata = json["__metadata__"];
    for (auto entry = metadata.begin(); entry != metadata.end();)
      entry = entry.key().rfind("xxh3_64.", 0) == 0 ? metadata.erase(entry) : std::next(entry);
    const float huge = 1e38f;
    std::memcpy(&bytes[at], &huge, sizeof huge);
    std::string text = json.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    std::string size(8, '\0');
    for (std::size_t i = 0; i < 4; ++i) size[i] = static_cast<char>(text.size() >> 8 * i);
    write("huge/model.safetensors", size + text + bytes.substr(8 + header));
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"predict", "huge/model.safetensors", file},
          {"stream", "huge/model.safetensors", file, "--speed", "max"},
          {"eval", "huge/model.safetensors"}}) {
      expect_numerics(run(words), "layer voting: currents of up to");
    }
  }

  void expect_odd_steps_of_time_refused() const {
    const std::string file = "own/test/right/8.csv";
    for (const char* dt : {"nan", "-1e-3", "0", "inf", "-nan", "1e-3s"}) {
      expect_error(run({"predict", "sane.nir", file, "--dt", dt}), 2, {"--dt"});
    }
    expect_error(run({"stream", "sane.nir", file, "--v-min", "nan"}), 2, {"--v-min"});
    write_graph("odd.nir", 1.0, {{"dt", "-1"}});
    for (const char* command : {"predict", "stream"}) {
      expect_error(run({command, "odd.nir", file}), 3, {"odd.nir", "dt = '-1'", "--bin-us"});
    }
    write_graph("soft.nir", 1.0, {{"dt", "0.001"}, {"reset", "soft"}, {"steps", "few"}});
    expect_error(run({"stream", "soft.nir", file}), 3, {"reset = 'soft'", "--reset zero"});
    const auto told = run({"predict", "soft.nir", file, "--reset", "zero"});
    EXPECT_EQ(told.exit_code, 0) << told.err;
    EXPECT_TRUE(contains(told.err, "steps = 'few' is no number of steps")) << told.err;
  }

  /// Ctrl-C while the program waits for the reader of its output, a full pipe that nobody reads.
  void expect_an_end_whoever_reads() const {
    std::string text = "%geometry:24,20\nt,x,y,p\n";
    for (int k = 0; k < 12000; ++k)
      text += std::to_string(500 * k) + ",20," + std::to_string(k % 20) + ",1\n";
    write("long.csv", text);
    ASSERT_EQ(::mkfifo(path("out").c_str(), 0600), 0);
    const int reader = ::open(path("out").c_str(), O_RDONLY | O_NONBLOCK);
    ASSERT_GE(reader, 0);
    Surroundings surroundings;
    surroundings.out_file = path("out");
    std::chrono::steady_clock::time_point signalled;
    const auto stuck = run_and_signal(
        {"stream", "run", "long.csv", "--speed", "max", "--json"}, SIGINT,
        [&] {
          int held = 0, before = 0;
          ::ioctl(reader, FIONREAD, &before);
          std::this_thread::sleep_for(std::chrono::milliseconds(before > 60000 ? 100 : 5));
          ::ioctl(reader, FIONREAD, &held);
          signalled = std::chrono::steady_clock::now();
          return before > 60000 && held == before;
        },
        surroundings);
    EXPECT_LT(std::chrono::steady_clock::now() - signalled, std::chrono::milliseconds(1500));
    EXPECT_EQ(stuck.exit_code, 0) << stuck.err;
    EXPECT_TRUE(contains(stuck.err, "nobody read the output")) << stuck.err;
    EXPECT_TRUE(contains(stuck.err, "left in the queue")) << stuck.err;  // the summary
    std::string lines(1 << 20, '\0');
    lines.resize(static_cast<std::size_t>(std::max<ssize_t>(::read(reader, lines.data(), lines.size()), 0)));
    ::close(reader);
    ASSERT_FALSE(lines.empty());
    EXPECT_EQ(lines.back(), '\n') << "a line was cut";
    EXPECT_GT(lines_of(lines).size(), 100u);
  }

  void expect_images_are_no_events() const {
    const auto exported = run({"export", "images", "i.nir"});
    ASSERT_EQ(exported.exit_code, 0) << exported.err;
    EXPECT_TRUE(contains(exported.out, "--steps ")) << exported.out;
    // Pixels of a set are the bytes / 255 that predict shows.
    const std::string set = read("sets/mnist/t10k-images-idx3-ubyte");
    const data::Bytes pixels(set.begin() + 16 + 3 * 784, set.begin() + 16 + 4 * 784);
    const data::Bytes png = data::png_bytes(28, 28, 1, pixels);
    write("3.png", std::string(png.begin(), png.end()));
    const auto shown = run({"predict", "i.nir", "3.png", "--json"});
    ASSERT_EQ(shown.exit_code, 0) << shown.err;
    EXPECT_TRUE(contains(shown.err, "bytes / 255")) << shown.err;
    expect_near(shown.json().at("predictions").at(0).at("votes"),
                run({"predict", "images", "3.png", "--json"}).json().at("predictions").at(0).at("votes"));
    write("small.csv", "%geometry:28,28\nt,x,y,p\n1,2,3,1\n");
    for (const char* command : {"stream", "predict"}) {
      expect_error(run({command, "i.nir", "small.csv"}), 2,
                   {"[1, 28, 28]", "still images", "[2, height, width]"});
    }
    // An image is shown for the steps of the training.
    const auto of_graph = run({"eval", "i.nir", "--dataset", "mnist", "--data-dir", "sets", "--json"});
    ASSERT_EQ(of_graph.exit_code, 0) << of_graph.err;
    EXPECT_EQ(of_graph.json().at("confusion"),
              run({"eval", "images", "--data-dir", "sets", "--json"}).json().at("confusion"));
  }

  static void expect_near(const nlohmann::json& votes, const nlohmann::json& other) {
    ASSERT_EQ(votes.size(), other.size());
    for (std::size_t k = 0; k < votes.size(); ++k) {
      EXPECT_NEAR(votes[k].get<double>(), other[k].get<double>(), 1e-5);
    }
  }
};

TEST_F(Live, StreamSaysWhatPredictSays) {
  double highest = 0.0;
  for (const char* file : {"own/test/left/7.csv", "own/test/right/8.csv"}) {
    const auto predicted = run({"predict", "run", file, "--json"}).json().at("predictions").at(0);
    const auto outcome = run({"stream", "run", file, "--speed", "max", "--json"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, "steps of 500 us, tumbling windows of 8 steps")) << outcome.err;
    const auto lines = lines_of(outcome.out);
    ASSERT_EQ(lines.size(), 2u) << outcome.out;
    EXPECT_EQ(lines[0].at("votes"), predicted.at("votes"));
    EXPECT_EQ(lines[0].at("class"), predicted.at("class"));
    highest = std::max(highest, predicted.at("vote").get<double>());
    EXPECT_EQ(lines[0].at("start_us"), 1000);
    EXPECT_EQ(lines[0].at("end_us"), 5000);
    const auto& summary = lines[1].at("summary");
    EXPECT_EQ(summary.at("events"), lines[0].at("events"));
    EXPECT_EQ(summary.at("steps"), 8);
    EXPECT_GT(summary.at("synaptic_operations"), 0);
    // In real time, in windows that slide, as text.
    const auto sliding = run({"stream", "run", file, "--window-steps", "4", "--every-steps", "2"});
    EXPECT_EQ(sliding.exit_code, 0) << sliding.err;
    EXPECT_TRUE(contains(sliding.out, " ms  ")) << sliding.out;
    EXPECT_TRUE(contains(sliding.err, "sliding windows of 4 steps, a decision every 2")) << sliding.err;
    EXPECT_TRUE(contains(sliding.err, "latency p50")) << sliding.err;
  }
  EXPECT_GT(highest, 0.0);  // not two silent networks
  expect_synaptic_operations_of_the_report();
  expect_packed_recordings();
  expect_order_of_columns();
  expect_no_votes_without_spikes();
}

TEST_F(Live, CtrlCEndsAStreamWithASummary) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  int writer = -1;
  const auto stopped = run_and_signal({"stream", "run", "pipe"}, SIGINT, [&] {
    writer = ::open(path("pipe").c_str(), O_WRONLY | O_NONBLOCK);  // fails until the program reads
    return writer >= 0;
  });
  ::close(writer);
  EXPECT_EQ(stopped.exit_code, 0) << stopped.err;
  EXPECT_TRUE(contains(stopped.err, "decisions  0;")) << stopped.err;
  expect_an_end_whoever_reads();
}

TEST_F(Live, AnExportedNetworkIsTheSameNetwork) {
  const auto exported = run({"export", "run", "g.nir", "--json"});
  ASSERT_EQ(exported.exit_code, 0) << exported.err;
  EXPECT_EQ(exported.json().at("different_spikes"), 0);
  EXPECT_GT(exported.json().at("compared_spikes"), 0);
  EXPECT_LT(exported.json().at("largest_vote_difference"), 1e-5);
  const auto described = run({"info", "g.nir", "--json"});
  EXPECT_EQ(described.exit_code, 0) << described.err;
  EXPECT_TRUE(contains(described.out, "conv1.neurons")) << described.out;

  // A recording is shown to a graph up to its last step with events; here it has them in its last step.
  const std::string file = "own/test/right/8.csv";
  const auto of_run = run({"predict", "run", file, "--json"}).json().at("predictions").at(0);
  // How it is stepped is in the graph's metadata.
  const auto with = [&](const std::vector<std::string>& words) { return run(words); };
  const auto streamed = with({"stream", "g.nir", file, "--speed", "max", "--json"});
  EXPECT_TRUE(contains(streamed.err, "tumbling windows of 8 steps")) << streamed.err;
  EXPECT_EQ(streamed.exit_code, 0) << streamed.err;
  EXPECT_TRUE(contains(streamed.err, "warning: stepped as the graph's metadata says")) << streamed.err;
  EXPECT_TRUE(contains(streamed.err, "bins of 500 us")) << streamed.err;
  expect_near(lines_of(streamed.out).at(0).at("votes"), of_run.at("votes"));
  const auto predicted = with({"predict", "g.nir", file, "--json"});
  ASSERT_EQ(predicted.exit_code, 0) << predicted.err;
  const auto votes = predicted.json().at("predictions").at(0).at("votes");
  expect_near(votes, of_run.at("votes"));
  // Quiet steps of the training's count too, as they do for the model.
  write("short.csv", "%geometry:24,20\nt,x,y,p\n0,20,3,1\n10,20,4,1\n20,20,5,1\n30,20,6,1\n40,20,7,1\n");
  expect_near(with({"predict", "g.nir", "short.csv", "--json"}).json().at("predictions").at(0).at("votes"),
              run({"predict", "run", "short.csv", "--json"}).json().at("predictions").at(0).at("votes"));
  EXPECT_EQ(votes.size(), 2u);
  EXPECT_GT(votes.at(0).get<double>() + votes.at(1).get<double>(), 0.0);

  const auto evaluated = with({"eval", "g.nir", "--dataset", "folder", "--folder", "own", "--json"});
  ASSERT_EQ(evaluated.exit_code, 0) << evaluated.err;
  EXPECT_EQ(evaluated.json().at("confusion"), run({"eval", "run", "--json"}).json().at("confusion"));

  expect_error(run({"export", "run", "g.nir"}), 2, {"g.nir already exists", "--force"});
  expect_error(run({"export", "run", "g.h5"}), 2, {".nir"});

  // Nothing is warned of where nothing is run, and what does not fit is said.
  expect_error(run({"stream", "g.nir", "none.csv"}), 3, {"none.csv"});
  expect_error(run({"predict", "g.nir", "none.csv"}), 3, {"none.csv"});
  const data::Bytes png = data::png_bytes(28, 28, 1, data::Bytes(28 * 28));
  write("img.png", std::string(png.begin(), png.end()));
  expect_error(run({"predict", "g.nir", "img.png"}), 3,
               {"img.png", "is an image", "a recording of events from a sensor of 24 x 20 pixels would fit"});
  write("cut.nir", read("g.nir").substr(0, read("g.nir").size() - 100));
  const auto cut = run({"info", "cut.nir"});
  expect_error(cut, 3, {"cut.nir", "is cut off"});
  EXPECT_FALSE(contains(cut.err, "--partial")) << cut.err;
  write("g.h5", read("g.nir"));
  expect_error(run({"predict", "g.h5", file}), 3, {"g.h5", "HDF5", ".nir"});
}

TEST_F(Live, WhatDoesNotFitIsRefusedInALine) {
  write("large.csv", "%geometry:640,480\nt,x,y,p\n1,2,3,1\n");
  expect_error(run({"stream", "run", "large.csv"}), 3, {"640 x 480", "24 x 20", "would fit"});
  expect_error(run({"stream", "run", "none.csv"}), 3, {"none.csv"});
  expect_error(run({"stream", "run", "udp:x"}), 2, {"udp:x", "udp:PORT"});
  expect_error(run({"stream", "run", "large.csv", "--bin-us", "5"}), 2, {"--bin-us", "a model of Spikeloom"});
  expect_error(run({"stream", "run", "large.csv", "--speed", "fast"}), 2, {"--speed fast"});
  expect_error(run({"stream", "run", "own/test/left/7.csv", "--every-steps", "9"}), 2,
               {"every 9 steps", "--every-steps"});
  const auto carried = run({"stream", "run", "own/test/left/7.csv", "--speed", "max", "--carry"});
  EXPECT_TRUE(contains(carried.err, "one state through windows of 8 steps")) << carried.err;
  expect_error(run({"predict", "g.nir", "x", "--dataset", "mnist", "--index", "0"}), 2, {"files or folders"});
  expect_options_refused();
  expect_other_sensors_refused();
  expect_graphs_that_cannot_run_name_their_file();
  expect_overflow_is_an_error();
  expect_odd_steps_of_time_refused();
  ASSERT_EQ(run(train_command("images", {"--set", "compute.precision=fp32"})).exit_code, 0);
  expect_error(run({"stream", "images", "large.csv"}), 2, {"trained on images", "spikeloom predict"});
  expect_images_are_no_events();
}

TEST_F(Live, StandardisationComesWithTheModel) {
  ASSERT_EQ(run(train_command("images", {"--set", "data.standardize=true"})).exit_code, 0);
  EXPECT_TRUE(contains(read("images/model.safetensors"), "\"standardization\""));
  const auto element =
      run({"predict", "images", "--dataset", "mnist", "--index", "3", "--data-dir", "sets", "--json"});
  ASSERT_EQ(element.exit_code, 0) << element.err;
  constexpr std::size_t kHeader = 16, kPixels = 28 * 28;
  const std::string set = read("sets/mnist/t10k-images-idx3-ubyte");
  const data::Bytes pixels(set.begin() + kHeader + 3 * kPixels, set.begin() + kHeader + 4 * kPixels);
  const data::Bytes png = data::png_bytes(28, 28, 1, pixels);
  write("3.png", std::string(png.begin(), png.end()));
  ASSERT_EQ(std::rename(path("sets").c_str(), path("away").c_str()), 0);
  const auto image = run({"predict", "images", "3.png", "--json"});
  ASSERT_EQ(image.exit_code, 0) << image.err;
  EXPECT_EQ(image.json().at("predictions").at(0).at("votes"),
            element.json().at("predictions").at(0).at("votes"));
}

}  // namespace
}  // namespace spikeloom::app::testing
