#include "client/token_bucket.h"

#include "catch.h"
#include "kubelet/base/clock.h"

using namespace kubelet;
using namespace std::chrono_literals;
using client::TokenBucket;

TEST_CASE("a bucket gives its burst at once and then at its rate") {
  base::ManualClock clock;
  TokenBucket bucket(10, 3);
  auto far = clock.Mono() + 1h;
  for (int i = 0; i < 3; ++i) CHECK(bucket.Reserve(clock.Mono(), far) == clock.Mono());
  CHECK(bucket.Reserve(clock.Mono(), far) == clock.Mono() + 100ms);
  CHECK(bucket.Reserve(clock.Mono(), far) == clock.Mono() + 200ms);
  clock.Advance(250ms);
  CHECK(bucket.Reserve(clock.Mono(), far) == clock.Mono() + 50ms);
  clock.Advance(10s);
  for (int i = 0; i < 3; ++i) CHECK(bucket.Reserve(clock.Mono(), far) == clock.Mono());
  CHECK(bucket.Reserve(clock.Mono(), far) == clock.Mono() + 100ms);
}

TEST_CASE("a turn that would come too late costs nobody else's") {
  base::ManualClock clock;
  TokenBucket bucket(1, 1);
  auto far = clock.Mono() + 1h;
  CHECK(bucket.Reserve(clock.Mono(), far) == clock.Mono());
  CHECK_FALSE(bucket.Reserve(clock.Mono(), clock.Mono() + 500ms));
  CHECK(bucket.Reserve(clock.Mono(), far) == clock.Mono() + 1s);
}

TEST_CASE("without a rate there is no limit") {
  base::ManualClock clock;
  for (double qps : {0.0, -1.0}) {
    TokenBucket bucket(qps, 1);
    for (int i = 0; i < 1000; ++i) CHECK(bucket.Reserve(clock.Mono(), clock.Mono()));
  }
}
