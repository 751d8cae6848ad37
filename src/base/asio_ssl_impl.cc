// The only translation unit that compiles Asio's non-template TLS code; pulled in by rooms that use it.
#include <boost/asio/ssl/impl/src.hpp>
