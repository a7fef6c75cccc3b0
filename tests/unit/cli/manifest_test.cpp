#include "codeexec/cli/manifest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/base/encoding.hpp"
#include "codeexec/kube_core/names.hpp"

#include "of_file.hpp"

namespace codeexec::cli {
namespace {

using testing::HasSubstr;

local_input with_code(std::string code) {
  local_input input;
  input.code = std::move(code);
  return input;
}

TEST(Manifest, SaysNoMoreThanTheUserDid) {
  auto const object = build_manifest(of_file("x.py"), with_code("print(1)"));
  ASSERT_TRUE(object);
  EXPECT_EQ(object->spec.language, "python");
  EXPECT_EQ(object->spec.code, "print(1)");
  EXPECT_FALSE(object->spec.timeoutSeconds || object->spec.image || object->spec.network || object->spec.stdin_);
  EXPECT_TRUE(object->spec.resources.empty());
}

TEST(Manifest, CarriesEveryFlag) {
  auto options = of_file("x.py");
  options.language = "bash";
  options.args = {"--n", ""};
  options.timeout_seconds = 7;
  options.startup_timeout_seconds = 8;
  options.network = "Allow";
  options.runtime_class = "kata";
  options.max_output_bytes = 1024;
  options.image = "i";
  auto input = with_code("x");
  input.stdin_ = "in\n";
  input.env = {{"A", "1"}};
  auto const object = build_manifest(options, input);
  ASSERT_TRUE(object);
  auto const& spec = object->spec;
  EXPECT_EQ(spec.language, "bash");
  EXPECT_EQ(spec.args, options.args);
  EXPECT_EQ(spec.timeoutSeconds, 7);
  EXPECT_EQ(spec.startupTimeoutSeconds, 8);
  EXPECT_EQ(spec.network, "Allow");
  EXPECT_EQ(spec.runtimeClassName, "kata");
  EXPECT_EQ(spec.output->maxBytes, 1024);
  EXPECT_EQ(spec.image, "i");
  EXPECT_EQ(spec.stdin_, "in\n");
  EXPECT_EQ(spec.env.at(0).value, "1");
}

TEST(Manifest, ALowLimitLowersTheRequestWithIt) {
  auto options = of_file("x.py");
  options.cpu = "100m";
  options.memory = "1Gi";
  auto const object = build_manifest(options, with_code("x"));
  ASSERT_TRUE(object);
  EXPECT_EQ(object->spec.resources.limits.at("cpu"), "100m");
  EXPECT_EQ(object->spec.resources.requests.at("cpu"), "100m");
  EXPECT_EQ(object->spec.resources.limits.at("memory"), "1Gi");
  EXPECT_EQ(object->spec.resources.requests.at("memory"), "256Mi");
}

TEST(Manifest, WhatNobodyWillDeleteIsDeletedByTheCluster) {
  auto options = of_file("x.py");
  EXPECT_EQ(build_manifest(options, with_code("x"))->spec.ttlSecondsAfterFinished, 3600);
  options.keep = true;
  EXPECT_FALSE(build_manifest(options, with_code("x"))->spec.ttlSecondsAfterFinished);
  options.ttl_seconds = 0;
  EXPECT_EQ(build_manifest(options, with_code("x"))->spec.ttlSecondsAfterFinished, 0);
}

TEST(Manifest, BinaryFilesTravelAsBase64AndTextsAsTheyAre) {
  auto input = with_code("x");
  input.files = {
      {"data/in.csv", "a,b\nü\n"}, {"logo.png", std::string("\x89PNG\0", 5)}, {"nul.txt", std::string("a\0b", 3)}};
  auto const object = build_manifest(of_file("x.py"), input);
  ASSERT_TRUE(object);
  EXPECT_EQ(object->spec.files.at(0).content, "a,b\nü\n");
  EXPECT_EQ(base::base64_decode(object->spec.files.at(1).contentBase64.value()), std::string("\x89PNG\0", 5));
  EXPECT_FALSE(object->spec.files.at(1).content);
  EXPECT_TRUE(object->spec.files.at(2).contentBase64);
}

TEST(Manifest, CodeOnStandardInputIsPythonUnlessItSaysOtherwise) {
  EXPECT_FALSE(build_manifest(of_file("-"), with_code("print(1)"))->spec.language);
  EXPECT_EQ(build_manifest(of_file("-"), with_code("#!/bin/bash\nls"))->spec.language, "bash");
}

struct refusal {
  std::string what;
  run_options options;
  local_input input;
  std::string says;
};

TEST(Manifest, RefusesWithASentenceWhatTheServerWouldRefuseLater) {
  auto two_files = with_code("x");
  two_files.files = {{"a", "1"}, {"a", "2"}};
  auto escaping = with_code("x");
  escaping.files = {{"../a", "1"}};
  auto large = with_code("x");
  large.files = {{"a", std::string(1024 * 1024, 'x')}};
  auto binary_stdin = with_code("x");
  binary_stdin.stdin_ = "\xff\xfe";
  for (auto const& c :
       {refusal{"empty", of_file("x.py"), with_code(""), "empty"},
        refusal{"binary", of_file("x.py"),
                with_code("\x7f"
                          "ELF\xff"),
                "UTF-8"},
        refusal{"nul", of_file("x.py"), with_code(std::string("a\0b", 3)), "\"x.py\" contains a NUL byte"},
        refusal{"long code", of_file("x.py"), with_code(std::string(256 * 1024 + 1, 'x')), "256 KiB"},
        refusal{"language", of_file("notes.txt"), with_code("x"), "--language"},
        refusal{"two files", of_file("x.py"), two_files, "two files go to \"a\""},
        refusal{"escape", of_file("x.py"), escaping, "PATH=DEST"}, refusal{"large", of_file("x.py"), large, "1 MiB"},
        refusal{"stdin", of_file("x.py"), binary_stdin, "standard input"}}) {
    auto const object = build_manifest(c.options, c.input);
    ASSERT_FALSE(object) << c.what;
    EXPECT_THAT(object.error().message, HasSubstr(c.says)) << c.what;
  }
}

TEST(Destination, OfAFileBelowThisFolderIsWhereItIsHere) {
  EXPECT_EQ(default_destination("in.csv"), "in.csv");
  EXPECT_EQ(default_destination("./data/../data/in.csv"), "data/in.csv");
  EXPECT_EQ(default_destination("data/"), "data");
  EXPECT_EQ(default_destination("/etc/hosts"), "hosts");
  EXPECT_EQ(default_destination("../other/x.txt"), "x.txt");
  EXPECT_EQ(default_destination("/srv/data/"), "data");
  EXPECT_EQ(default_destination("."), ".");
}

TEST(Name, IsALabelThatRemindsOfTheFile) {
  base::rng random(1);
  EXPECT_THAT(generate_name("src/Fetch data.py", random), testing::MatchesRegex("fetch-data-[a-z0-9]{8}"));
  EXPECT_THAT(generate_name("-", random), testing::MatchesRegex("run-[a-z0-9]{8}"));
  EXPECT_THAT(generate_name("ünï.py", random), testing::MatchesRegex("n-[a-z0-9]{8}"));
  for (auto const* file : {"", "...", "___.py", "-x-.sh", ".bashrc", "9.py", "日本.py"}) {
    EXPECT_TRUE(kube::is_dns_label(generate_name(file, random))) << file;
  }
  EXPECT_TRUE(kube::is_dns_label(generate_name(std::string(300, 'a') + ".py", random)));
}

TEST(Name, OfTwoRunsDiffers) {
  base::rng random(1);
  EXPECT_NE(generate_name("x.py", random), generate_name("x.py", random));
}

}  // namespace
}  // namespace codeexec::cli
