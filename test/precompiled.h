// As src/precompiled.h, for the tests.
#pragma once

#include "../src/precompiled.h"
#include "catch.h"
