#include "codeexec/base/file.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>

namespace codeexec::base {
namespace {

class File : public ::testing::Test {
 protected:
  File() : folder_(std::filesystem::temp_directory_path() / "file-test.XXXXXX") {
    auto name = folder_.string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~File() override { std::filesystem::remove_all(folder_); }

  std::string with(std::string const& text) const {
    auto const path = (folder_ / "file").string();
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  std::filesystem::path folder_;
};

TEST_F(File, IsReadByteByByte) {
  std::string const bytes("\0\xFF\r\n", 4);
  EXPECT_EQ(*read_file(with(bytes)), bytes);
  EXPECT_EQ(*read_file(with(std::string(100'000, 'x'))), std::string(100'000, 'x'));
  EXPECT_EQ(*read_file(with("")), "");
}

TEST_F(File, OfProcIsReadThoughItSaysThatItIsEmpty) {
  EXPECT_NE(read_file("/proc/self/status")->find("Pid:"), std::string::npos);
}

TEST_F(File, ErrorsNameThePathAndSayWhy) {
  EXPECT_EQ(read_file("/no/such/file").error().message, "/no/such/file: No such file or directory");
  EXPECT_EQ(read_file(folder_.string()).error().message, folder_.string() + ": is a folder");
}

TEST_F(File, EndsWhereNoFileOfItsKindWouldBeThatLarge) {
  EXPECT_EQ(read_file("/dev/zero").error().message, "/dev/zero: is larger than 4 MiB");
  auto const path = with("12345");
  EXPECT_TRUE(read_file(path, 5));
  EXPECT_FALSE(read_file(path, 4));
}

TEST_F(File, ThatIsNotThereIsEmptyWhereThatIsAskedFor) {
  EXPECT_EQ(read_file_if_there("/no/such/file"), "");
  EXPECT_EQ(read_file_if_there(with("text")), "text");
}

}  // namespace
}  // namespace codeexec::base
