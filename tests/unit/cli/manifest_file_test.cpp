#include "codeexec/cli/manifest_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/cli/manifest.hpp"

#include "of_file.hpp"

namespace codeexec::cli {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

std::string const hello =
    "apiVersion: codeexec.dev/v1alpha1\nkind: CodeExecution\n"
    "metadata:\n  name: hello\n  namespace: agents\nspec:\n  code: print(1)\n";

json object(run_options const& options, std::string const& text) {
  auto const found = find_manifest(options, "", text);
  if (!found) return "error: " + found.error().message;
  return *found ? (*found)->object : json("a program");
}

std::string error(run_options const& options, std::string const& text, std::string const& namespace_flag = "") {
  auto const found = find_manifest(options, namespace_flag, text);
  return found ? "" : found.error().message;
}

TEST(ManifestFile, IsKnownByItsNameAndByWhatItHolds) {
  for (auto const* name : {"x.yaml", "dir/x.yml", "X.YAML"}) {
    EXPECT_EQ(object(of_file(name), hello)["metadata"]["name"], "hello") << name;
  }
  for (auto const* name : {"x.py", "x", "-", "yaml"}) {
    EXPECT_EQ(object(of_file(name), hello), "a program") << name;
  }
}

TEST(ManifestFile, MayBeJsonUnderEitherName) {
  std::string const text = R"json({"apiVersion": "codeexec.dev/v1alpha1", "kind": "CodeExecution",)json"
                           R"json( "spec": {"code": "print('\ud83d\ude00')"}})json";
  for (auto const* name : {"x.json", "x.yaml"}) {
    EXPECT_EQ(object(of_file(name), text)["spec"]["code"], "print('😀')") << name;
  }
}

TEST(ManifestFile, IsSentAsItStandsWithWhatIsNotKnown) {
  auto const sent = object(of_file("x.yaml"), hello + "  colour: blue\n  env: [{name: A, value: \"1\"}]\nextra: 1\n");
  EXPECT_EQ(sent["spec"]["colour"], "blue");
  EXPECT_EQ(sent["spec"]["env"][0]["value"], "1");
  EXPECT_EQ(sent["extra"], 1);
}

TEST(ManifestFile, IsDeletedByTheClusterOnlyWhereItWouldBeByUsAndDoesNotSayItself) {
  auto options = of_file("x.yaml");
  EXPECT_EQ(object(options, hello)["spec"]["ttlSecondsAfterFinished"], 3600);
  EXPECT_EQ(object(options, hello + "  ttlSecondsAfterFinished: 0\n")["spec"]["ttlSecondsAfterFinished"], 0);
  options.keep = true;
  EXPECT_FALSE(object(options, hello)["spec"].contains("ttlSecondsAfterFinished"));
}

TEST(ManifestFile, HasTheNameOfTheFlagAndElseItsOwn) {
  auto options = of_file("x.yaml");
  options.name = "other";
  EXPECT_EQ(object(options, hello)["metadata"]["name"], "other");
  EXPECT_THAT(error(of_file("x.yaml"), "apiVersion: codeexec.dev/v1alpha1\nkind: CodeExecution\nmetadata: {name: 42}"),
              AllOf(HasSubstr("metadata.name"), HasSubstr("quotes")));
}

TEST(ManifestFile, SaysTheNamespaceUnlessTheFlagSaysAnother) {
  EXPECT_EQ((*find_manifest(of_file("x.yaml"), "", hello))->namespace_, "agents");
  EXPECT_EQ((*find_manifest(of_file("x.yaml"), "agents", hello))->namespace_, "agents");
  EXPECT_THAT(error(of_file("x.yaml"), hello, "default"), AllOf(HasSubstr("\"agents\""), HasSubstr("\"default\"")));
}

TEST(ManifestFile, DescribesTheSpecAlone) {
  std::pair<std::string, run_options> cases[] = {
      {"--language", of_file("x.yaml")}, {"--image", of_file("x.yaml")},     {"--env", of_file("x.yaml")},
      {"--file", of_file("x.yaml")},     {"--stdin", of_file("x.yaml")},     {"--timeout", of_file("x.yaml")},
      {"--ttl", of_file("x.yaml")},      {"arguments", of_file("x.yaml")},   {"--cpu", of_file("x.yaml")},
      {"--network", of_file("x.yaml")},  {"--max-output", of_file("x.yaml")}};
  cases[0].second.language = "python";
  cases[1].second.image = "i";
  cases[2].second.env = {"A=1"};
  cases[3].second.files = {"x"};
  cases[4].second.stdin_ = stdin_choice::always;
  cases[5].second.timeout_seconds = 1;
  cases[6].second.ttl_seconds = 1;
  cases[7].second.args = {"x"};
  cases[8].second.cpu = "1";
  cases[9].second.network = "Allow";
  cases[10].second.max_output_bytes = 1;
  for (auto const& [flag, options] : cases) {
    EXPECT_THAT(error(options, hello), HasSubstr(flag + " cannot go with the manifest \"x.yaml\""));
  }
  auto harmless = of_file("x.yaml");
  harmless.stdin_ = stdin_choice::never;
  EXPECT_EQ(error(harmless, hello), "");
}

TEST(ManifestFile, ThatIsSomethingElseIsNamedAndTheWayOutToo) {
  auto const said = [](std::string const& text) { return error(of_file("x.yaml"), text); };
  EXPECT_THAT(said("apiVersion: apps/v1\nkind: Deployment\n"),
              AllOf(HasSubstr("is a Deployment (apps/v1), not a CodeExecution"), HasSubstr("--language")));
  EXPECT_THAT(said("apiVersion: codeexec.dev/v9\nkind: CodeExecution\n"),
              HasSubstr("a CodeExecution (codeexec.dev/v9)"));
  EXPECT_THAT(said("kind: Ingress\n"), HasSubstr("an Ingress without apiVersion"));
  EXPECT_THAT(said("just words\n"), HasSubstr("data without a kind"));
  EXPECT_THAT(said("# nothing\n"), HasSubstr("is empty"));
  EXPECT_THAT(said("a: [1\n"), AllOf(HasSubstr("cannot be read as YAML: line"), HasSubstr("--language")));
  EXPECT_THAT(error(of_file("x.json"), "{"), HasSubstr("cannot be read as JSON: line 1"));
  EXPECT_THAT(said(hello + "---\n" + hello), HasSubstr("holds 2 objects"));
}

TEST(ManifestFile, IsAProgramWhereItsLanguageIsSaid) {
  auto options = of_file("x.yaml");
  options.language = "python";
  EXPECT_EQ(object(options, "a: [1\n"), "a program");
  EXPECT_EQ(object(of_file("x.yaml"), "#!/usr/bin/env python3\nprint(1)\n"), "a program");
}

TEST(CompletedName, OfAPrefixIsCompletedAndFitsIntoALabel) {
  base::rng random(1);
  EXPECT_THAT(complete_name("job-", random), testing::MatchesRegex("job-[a-z0-9]{8}"));
  EXPECT_EQ(complete_name(std::string(300, 'a'), random).size(), 63U);
}

}  // namespace
}  // namespace codeexec::cli
