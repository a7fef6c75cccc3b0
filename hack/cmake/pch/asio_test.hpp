// Precompiled once for the tests of what does I/O.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "asio.hpp"
