#include "codeexec/api/meta.hpp"

#include <gtest/gtest.h>

namespace codeexec::api {
namespace {

TEST(object_meta, only_the_owner_with_controller_true_is_the_controller) {
  ObjectMeta meta;
  EXPECT_EQ(meta.controller_owner(), nullptr);

  OwnerReference plain;
  plain.uid = "plain";
  meta.ownerReferences.push_back(plain);
  EXPECT_EQ(meta.controller_owner(), nullptr);

  OwnerReference controlling;
  controlling.uid = "controlling";
  controlling.controller = true;
  meta.ownerReferences.push_back(controlling);
  ASSERT_NE(meta.controller_owner(), nullptr);
  EXPECT_EQ(meta.controller_owner()->uid, "controlling");
}

TEST(object_meta, a_finalizer_is_found_by_its_whole_name) {
  ObjectMeta meta;
  meta.finalizers = {"codeexec.dev/cleanup-old", "codeexec.dev/cleanup"};
  EXPECT_TRUE(meta.has_finalizer("codeexec.dev/cleanup"));
  EXPECT_FALSE(meta.has_finalizer("codeexec.dev"));
}

}  // namespace
}  // namespace codeexec::api
