"""Small made-up trees that prove each rule of rooms.py can fail, and that a clean tree passes."""
import pathlib
import tempfile

import rooms

CLEAN = {
    "README.md": "what it is\n",
    "ARCHITECTURE.md": "**base** **api** **cri** **app**\n",
    "third_party/README.md": "packages\n",
    "src/base/CMakeLists.txt": "kubelet_room(base LIBS Threads::Threads)\n",
    "src/api/CMakeLists.txt": "kubelet_room(api USES base\n  LIBS yaml-cpp)\n",
    "src/cri/CMakeLists.txt": "kubelet_room(cri USES base api)\n",
    "src/app/CMakeLists.txt": "kubelet_room(app USES base api cri)\n",
    "include/kubelet/base/clock.h": "#pragma once\n// Time.\n",
    "include/kubelet/api/pod.h": '#pragma once\n// Pods.\n#include "kubelet/base/clock.h"\n',
    "src/api/codec.h": "#pragma once\n",
    "src/api/codec.cc": '#include "api/codec.h"\n#include "kubelet/api/pod.h"\n// no asio::detached here\n',
    "src/cri/client.cc": '#include <grpcpp/grpcpp.h>\n#include "kubelet/api/pod.h"\n',
    "src/cri/client.h": "#pragma once\n",
    "src/base/asio_ssl_impl.cc": "#include <boost/asio/ssl/impl/src.hpp>\n",
    "src/app/main.cc": '#include "cri/client.h"\nconst char* k = "asio::detached";\n',
}

# name, files that are added or changed (None removes), the words that one error must contain
CASES = [
    ("contract of a room not listed", {"src/base/x.cc": '#include "kubelet/api/pod.h"\n'}, "does not list api"),
    ("private header of a room not listed", {"src/base/x.cc": '#include "api/codec.h"\n'}, "does not list api"),
    ("angle brackets do not hide it", {"src/base/x.cc": "#  include <kubelet/api/pod.h>\n"}, "does not list api"),
    ("a header under include/", {"include/kubelet/base/y.h": '#pragma once\n//\n#include "kubelet/api/pod.h"\n'}, "does not list api"),
    ("granted by way of another only", {"src/cri/CMakeLists.txt": "kubelet_room(cri USES api)\n",
                                        "src/cri/x.cc": '#include "kubelet/base/clock.h"\n'}, "does not list base"),
    ("private header of a listed room", {"src/cri/x.cc": '#include "api/codec.h"\n'}, "is private to room api"),
    ("contract with a private header", {"include/kubelet/api/z.h": '#pragma once\n//\n#include "api/codec.h"\n'}, "cannot see"),
    ("unknown room", {"src/api/x.cc": '#include "kubelet/attic/x.h"\n'}, "no room attic"),
    ("USES of an unknown room", {"src/api/CMakeLists.txt": "kubelet_room(api USES base attic)\n"}, "there is no such room"),
    ("cycle", {"src/base/CMakeLists.txt": "kubelet_room(base USES cri)\n"}, "cycle: base -> cri -> base"),
    ("longer cycle", {"src/base/CMakeLists.txt": "kubelet_room(base USES app)\n",
                      "src/app/CMakeLists.txt": "kubelet_room(app USES cri)\n",
                      "src/cri/CMakeLists.txt": "kubelet_room(cri USES base)\n"}, "cycle: base -> app -> cri -> base"),
    ("gRPC elsewhere", {"src/api/x.cc": "#include <grpcpp/channel.h>\n"}, "gRPC header"),
    ("gRPC stubs elsewhere", {"src/api/x.cc": '#include "x/v1/api.grpc.pb.h"\n'}, "gRPC header"),
    ("OpenSSL elsewhere", {"src/cri/x.cc": "#include <openssl/ssl.h>\n"}, "TLS and HTTP header"),
    ("Beast elsewhere", {"src/cri/x.cc": "#include <boost/beast/http.hpp>\n"}, "TLS and HTTP header"),
    ("asio's TLS elsewhere", {"src/cri/x.cc": "#include <boost/asio/ssl/stream.hpp>\n"}, "TLS and HTTP header"),
    ("nghttp2 elsewhere", {"src/cri/x.cc": "#include <nghttp2/nghttp2.h>\n"}, "TLS and HTTP header"),
    ("detached", {"src/cri/x.cc": "void f() { co_spawn(e, g(), boost::asio::detached); }\n"}, "src/cri/x.cc:1: asio::detached"),
    ("detached after a comment", {"src/cri/x.cc": "/* a\n b */ auto t = asio :: detached;\n"}, "src/cri/x.cc:2: asio::detached"),
    ("header of detached", {"src/cri/x.cc": "#include <boost/asio/detached.hpp>\n"}, "asio::detached"),
    ("path of this machine", {"deploy/run.sh": "cd /attic/floor/main && ./run\n"}, "deploy/run.sh:1: names a path of this machine"),
    ("its parent", {"README.md": "see /attic/floor/notes\n"}, "names a path of this machine"),
    ("mirror", {"test/run.sh": "curl http://mirror.example.net/debian\n"}, "names the host of a mirror"),
    ("home directory", {"README.md": "run /ho" + "me/alice/kubelet\n"}, "somebody's home directory"),
    ("no README", {"README.md": None}, "README.md: missing"),
    ("empty architecture", {"ARCHITECTURE.md": "\n"}, "ARCHITECTURE.md: missing"),
    ("no licences", {"third_party/README.md": None}, "third_party/README.md: missing"),
    ("room without a paragraph", {"ARCHITECTURE.md": "**base** **api** **app**\n"}, "says nothing about room cri"),
    ("sources without a build", {"src/attic/x.cc": "int x;\n"}, "nothing builds or checks room attic"),
    ("contracts without a build", {"include/kubelet/attic/x.h": "#pragma once\n// x\n"}, "nothing builds or checks room attic"),
    ("no kubelet_room", {"src/api/CMakeLists.txt": "add_library(api x.cc)\n"}, "no kubelet_room"),
    ("room in a comment", {"src/api/CMakeLists.txt": "# kubelet_room(api)\n"}, "no kubelet_room"),
    ("name of another room", {"src/api/CMakeLists.txt": "kubelet_room(base)\n"}, "in the folder of room api"),
    ("no guard", {"src/api/y.h": "int y;\n"}, "no #pragma once"),
    ("silent contract", {"include/kubelet/api/z.h": "#pragma once\nint z;\n"}, "a contract without a comment"),
]


def run_tree(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            if text is not None:
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        return rooms.check(folder, paths=["/attic/floor/main", "/attic/floor"], hosts={"mirror.example.net"})


def machine_cases():
    """What this machine's own names are, worked out from made-up settings."""
    yield "checkout", set(rooms.machine_paths(pathlib.Path("/attic/floor/main"))), {"/attic", "/attic/floor", "/attic/floor/main"}
    yield "proxy", rooms.machine_hosts({"https_proxy": "http://u:p@cache.lan:3128", "NO_PROXY": "http://a.b"}, "/none"), {"cache.lan"}
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "sources.list").write_text("# deb http://old.lan/x y z\ndeb http://m.lan/debian bookworm main\n")
        pathlib.Path(folder, "sources.list.d").mkdir()
        pathlib.Path(folder, "sources.list.d", "d.sources").write_text("Types: deb\nURIs: https://n.lan/debian\nSuites: s\n")
        yield "apt", rooms.machine_hosts({}, folder), {"m.lan", "n.lan"}


def main():
    failed = 0
    clean = run_tree(CLEAN)
    if clean.errors or clean.warnings:
        failed += 1
        print("FAIL clean tree:", clean.errors, clean.warnings)
    for name, change, words in CASES:
        errors = run_tree({**CLEAN, **change}).errors
        if not any(words in error for error in errors):
            failed += 1
            print("FAIL %s: wanted %r, got %s" % (name, words, errors))
    long = run_tree({**CLEAN, "src/api/long.cc": "int x;\n" * 501})
    if long.errors or len(long.warnings) != 1:
        failed += 1
        print("FAIL long file:", long.errors, long.warnings)
    machine = list(machine_cases())
    for name, got, wanted in machine:
        if got != wanted:
            failed += 1
            print("FAIL %s: %s is not %s" % (name, got, wanted))
    total = len(CASES) + len(machine) + 2
    print("rooms self test: %d passed, %d failed" % (total - failed, failed))
    return 1 if failed else 0
