#include "spikeloom/parallel/placement.h"

#include <gtest/gtest.h>

#include <map>

#include "spikeloom/base/errors.h"

namespace spikeloom::parallel {
namespace placement_test {
namespace {

using Variables = std::map<std::string, std::string>;

std::optional<Placement> place(const Variables& variables) {
  return find_placement([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

std::string error_of(const Variables& variables) {
  try {
    place(variables);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const Variables kTorchrun = {{"RANK", "5"},
                             {"WORLD_SIZE", "8"},
                             {"LOCAL_RANK", "1"},
                             {"LOCAL_WORLD_SIZE", "4"},
                             {"MASTER_ADDR", "node0"},
                             {"MASTER_PORT", "29500"}};
const Variables kOpenMpi = {{"OMPI_COMM_WORLD_RANK", "1"},
                            {"OMPI_COMM_WORLD_SIZE", "2"},
                            {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                            {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                            {"PMIX_NAMESPACE", "1234"}};
const Variables kSlurm = {{"SLURM_PROCID", "6"},
                          {"SLURM_STEP_NUM_TASKS", "9"},
                          {"SLURM_LOCALID", "2"},
                          {"SLURM_NODEID", "1"},
                          {"SLURM_JOB_ID", "77"},
                          {"SLURM_STEP_ID", "0"},
                          {"SLURM_STEP_NODELIST", "n[03-04,7]"},
                          {"SLURM_STEP_TASKS_PER_NODE", "4(x2),1"}};

TEST(Placement, IsThatOfAProcessAloneWithoutVariables) {
  EXPECT_FALSE(place({}));
  EXPECT_FALSE(place({{"RANK", "0"}, {"WORLD_SIZE", "1"}}));
  // Of a batch script of Slurm, which is no task of a step.
  EXPECT_FALSE(place({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}, {"SLURM_JOB_ID", "77"}}));
}

TEST(Placement, OfTorchrun) {
  auto found = place(kTorchrun);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rank, 5);
  EXPECT_EQ(found->size, 8);
  EXPECT_EQ(found->local_rank, 1);
  EXPECT_EQ(found->local_size, 4);
  EXPECT_EQ(found->address, "node0");
  EXPECT_EQ(found->port, 29500);
  EXPECT_FALSE(found->serves);

  Variables first = kTorchrun;
  first["RANK"] = "0";
  EXPECT_TRUE(place(first)->serves);
  first["TORCHELASTIC_USE_AGENT_STORE"] = "True";
  EXPECT_FALSE(place(first)->serves);
  first["TORCHELASTIC_RUN_ID"] = "job";
  first["TORCHELASTIC_RESTART_COUNT"] = "2";
  EXPECT_EQ(place(first)->job, "job.2");
}

TEST(Placement, OfOpenMpiOnOneMachineNeedsNoMeetingPoint) {
  const auto found = place(kOpenMpi);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rank, 1);
  EXPECT_EQ(found->address, "127.0.0.1");
  Variables other = kOpenMpi;
  other["OMPI_COMM_WORLD_RANK"] = "0";
  EXPECT_EQ(place(other)->port, found->port);
  other["PMIX_NAMESPACE"] = "1235";
  EXPECT_NE(place(other)->port, found->port);
  EXPECT_GE(found->port, 1024);
  // Of several machines one has to say where.
  other["OMPI_COMM_WORLD_LOCAL_SIZE"] = "1";
  other["OMPI_COMM_WORLD_LOCAL_RANK"] = "0";
  EXPECT_TRUE(contains(error_of(other), "MASTER_ADDR"));
  other["MASTER_ADDR"] = "10.0.0.1";
  EXPECT_EQ(place(other)->address, "10.0.0.1");
}

TEST(Placement, OfMpich) {
  const auto found =
      place({{"PMI_RANK", "2"}, {"PMI_SIZE", "3"}, {"MPI_LOCALRANKID", "2"}, {"MPI_LOCALNRANKS", "3"}});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rank, 2);
  EXPECT_EQ(found->local_size, 3);
}

TEST(Placement, OfSlurmMeetsOnTheFirstNode) {
  const auto found = place(kSlurm);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rank, 6);
  EXPECT_EQ(found->size, 9);
  EXPECT_EQ(found->local_size, 4);
  EXPECT_EQ(found->address, "n03");
  Variables last = kSlurm;
  last["SLURM_NODEID"] = "2";
  last["SLURM_LOCALID"] = "0";
  EXPECT_EQ(place(last)->local_size, 1);
  last["SLURM_NODEID"] = "3";
  EXPECT_TRUE(contains(error_of(last), "SLURM_TASKS_PER_NODE"));
}

TEST(Placement, FirstHostOfAList) {
  EXPECT_EQ(first_host("a"), "a");
  EXPECT_EQ(first_host("a,b"), "a");
  EXPECT_EQ(first_host("node[03-05,9],x"), "node03");
  EXPECT_EQ(first_host("r[1-2]-n[7,9]"), "r1-n7");
  EXPECT_EQ(first_host("broken[1-"), "");
}

TEST(Placement, RefusesWhatIsWrong) {
  const auto with = [](const std::string& name, const std::string& value) {
    Variables variables = kTorchrun;
    variables[name] = value;
    return error_of(variables);
  };
  EXPECT_TRUE(contains(with("RANK", "x"), "RANK is 'x'"));
  EXPECT_TRUE(contains(with("RANK", "-1"), "RANK is '-1'"));
  EXPECT_TRUE(contains(with("RANK", "8"), "contradict"));
  EXPECT_TRUE(contains(with("LOCAL_RANK", "4"), "contradict"));
  EXPECT_TRUE(contains(with("WORLD_SIZE", "0"), "WORLD_SIZE is '0'"));
  EXPECT_TRUE(contains(with("MASTER_PORT", "70000"), "MASTER_PORT is '70000'"));
  EXPECT_TRUE(contains(with("MASTER_PORT", ""), "MASTER_PORT"));
  EXPECT_TRUE(contains(with("MASTER_ADDR", ""), "MASTER_ADDR"));
}

}  // namespace
}  // namespace placement_test
}  // namespace spikeloom::parallel
