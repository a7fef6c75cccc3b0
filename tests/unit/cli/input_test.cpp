#include "codeexec/cli/input.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace codeexec::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

base::result<local_input> read_input(run_options const& options, input_source const& source) {
  auto code = read_code(options, source);
  if (!code) return code.error();
  return cli::read_input(options, source, std::move(*code));
}

/// A folder of its own as the current one, with a script in it.
class Input : public testing::Test {
 protected:
  void SetUp() override {
    before_ = fs::current_path();
    std::string name = (fs::temp_directory_path() / "codeexec-input-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::current_path(folder_);
    write("x.py", "print(1)\n");
    options_.file = "x.py";
    options_.stdin_ = stdin_choice::never;
  }
  void TearDown() override {
    fs::current_path(before_);
    fs::remove_all(folder_);
  }

  static void write(std::string const& path, std::string_view bytes) {
    if (fs::path(path).has_parent_path()) fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
  }

  std::vector<std::string> paths(std::string argument) {
    options_.files = {std::move(argument)};
    auto const input = read_input(options_, input_source{});
    if (!input) return {"error: " + input.error().message};
    std::vector<std::string> found;
    for (auto const& file : input->files)
      found.push_back(file.path);
    return found;
  }

  std::string error() {
    auto const input = read_input(options_, input_source{});
    return input ? "" : input.error().message;
  }

  fs::path before_;
  fs::path folder_;
  run_options options_;
};

TEST_F(Input, TheCodeIsReadAsItIs) {
  auto const input = read_input(options_, input_source{});
  ASSERT_TRUE(input);
  EXPECT_EQ(input->code, "print(1)\n");
  EXPECT_FALSE(input->stdin_);
}

TEST_F(Input, AMissingFileIsNamed) {
  options_.file = "nosuch.py";
  EXPECT_THAT(error(), HasSubstr("\"nosuch.py\": No such file"));
  options_.file = "/tmp";
  EXPECT_THAT(error(), HasSubstr("is a folder"));
}

TEST_F(Input, FilesKeepTheirPlaceOrGoWhereTheyAreTold) {
  write("data/in.csv", "a");
  EXPECT_THAT(paths("data/in.csv"), testing::ElementsAre("data/in.csv"));
  EXPECT_THAT(paths("data/in.csv=y.csv"), testing::ElementsAre("y.csv"));
  EXPECT_THAT(paths("data/in.csv=sub/"), testing::ElementsAre("sub/in.csv"));
  EXPECT_THAT(paths((folder_ / "data/in.csv").string()), testing::ElementsAre("in.csv"));
}

TEST_F(Input, AnEqualsSignInAnExistingNameIsPartOfIt) {
  write("a=b", "x");
  EXPECT_THAT(paths("a=b"), testing::ElementsAre("a=b"));
  EXPECT_THAT(paths("a=b=c"), testing::ElementsAre("c"));
}

TEST_F(Input, FoldersComeWholeAndInOrder) {
  write("d/b.txt", "1");
  write("d/.hidden", "2");
  write("d/sub/deep/a.txt", "3");
  EXPECT_THAT(paths("d"), testing::ElementsAre("d/.hidden", "d/b.txt", "d/sub/deep/a.txt"));
  EXPECT_THAT(paths("d/=e"), testing::ElementsAre("e/.hidden", "e/b.txt", "e/sub/deep/a.txt"));
  EXPECT_THAT(paths("d=."), testing::ElementsAre(".hidden", "b.txt", "sub/deep/a.txt"));
}

TEST_F(Input, FoldersThatCannotBeSentWholeAreRefused) {
  fs::create_directory("empty");
  EXPECT_THAT(paths("empty").front(), HasSubstr("no files"));
  write("d/a", "1");
  fs::create_directory_symlink(folder_ / "d", "d/round");
  EXPECT_THAT(paths("d").front(), HasSubstr("link to a folder"));
  EXPECT_THAT(paths("nosuch").front(), HasSubstr("No such file"));
}

TEST_F(Input, VariablesComeFromTheFlagOrFromHere) {
  ::setenv("CODEEXEC_TEST_VARIABLE", "here", 1);
  options_.env = {"A=1=2", "B=", "CODEEXEC_TEST_VARIABLE"};
  auto const input = read_input(options_, input_source{});
  ASSERT_TRUE(input);
  EXPECT_EQ(input->env.at(0).value, "1=2");
  EXPECT_EQ(input->env.at(1).value, "");
  EXPECT_EQ(input->env.at(2).value, "here");
  options_.env = {"CODEEXEC_NO_SUCH_VARIABLE"};
  EXPECT_THAT(error(), HasSubstr("CODEEXEC_NO_SUCH_VARIABLE=VALUE"));
}

/// A pipe whose reading end stands for standard input.
struct pipe_pair {
  int ends[2] = {-1, -1};
  pipe_pair() { EXPECT_EQ(::pipe(ends), 0); }
  ~pipe_pair() {
    ::close(ends[0]);
    close_writer();
  }
  void write(std::string_view text) const {
    EXPECT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void close_writer() {
    if (ends[1] >= 0) ::close(ends[1]);
    ends[1] = -1;
  }
};

TEST_F(Input, APipeIsPassedOnByItself) {
  pipe_pair pipe;
  pipe.write("one\ntwo\n");
  pipe.close_writer();
  options_.stdin_ = stdin_choice::automatic;
  auto const input = read_input(options_, input_source{pipe.ends[0]});
  ASSERT_TRUE(input);
  EXPECT_EQ(input->stdin_, "one\ntwo\n");
}

TEST_F(Input, AnEmptyOrClosedStandardInputIsNone) {
  pipe_pair pipe;
  pipe.close_writer();
  options_.stdin_ = stdin_choice::automatic;
  EXPECT_FALSE(read_input(options_, input_source{pipe.ends[0]})->stdin_);
  EXPECT_FALSE(read_input(options_, input_source{9999})->stdin_);
}

TEST_F(Input, WhoWaitsForASilentPipeIsTold) {
  pipe_pair pipe;
  options_.stdin_ = stdin_choice::automatic;
  input_source source{pipe.ends[0]};
  std::string told;
  source.waiting_after_milliseconds = 1;
  source.on_waiting = [&](std::string_view sentence) {
    told = sentence;
    pipe.write("late");
    pipe.close_writer();
  };
  auto const input = read_input(options_, source);
  ASSERT_TRUE(input);
  EXPECT_EQ(input->stdin_, "late");
  EXPECT_THAT(told, HasSubstr("--no-stdin"));
}

TEST_F(Input, TheCodeMayComeOnStandardInput) {
  pipe_pair pipe;
  pipe.write("print(2)");
  pipe.close_writer();
  options_.file = "-";
  auto const input = read_input(options_, input_source{pipe.ends[0]});
  ASSERT_TRUE(input);
  EXPECT_EQ(input->code, "print(2)");
}

}  // namespace
}  // namespace codeexec::cli
