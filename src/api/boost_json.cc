// The compiled part of Boost.JSON, once for the program: Debian has no static archive of it.
#include <boost/json/src.hpp>
