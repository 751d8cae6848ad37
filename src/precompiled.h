// What nearly every source needs of other people's headers; see src/CMakeLists.txt. Sources include what they use all
// the same: the build without this (-DKUBELET_PCH=OFF) has to pass.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "k8s/core/v1/pod.pb.h"
#include "k8s/meta/v1/meta.pb.h"
