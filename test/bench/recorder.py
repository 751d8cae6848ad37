"""A CRI endpoint that passes every call on to a real one and remembers it: method, times, and the request's bytes.

It sees what any kubelet asks for, byte for byte, and knows nothing of the messages, so a field that only the kubelet
knows is recorded too. A call through it is about a millisecond slower: it says what is asked and when, not how fast.
"""
import dataclasses
import threading
import time
from concurrent import futures

import grpc


@dataclasses.dataclass
class Call:
    method: str
    request: bytes
    began: float  # time.time(), when the request was here
    ended: float = 0.0  # when its answer was
    code: str = "OK"
    response: bytes = b""


class Recorder(grpc.GenericRpcHandler):
    def __init__(self, socket, upstream):
        self.endpoint = "unix://%s" % socket
        self.calls = []
        self.lock = threading.Lock()
        self.channel = grpc.insecure_channel(upstream, options=[("grpc.max_receive_message_length", 64 << 20)])
        self.server = grpc.server(futures.ThreadPoolExecutor(32), handlers=[self],
                                  options=[("grpc.max_receive_message_length", 64 << 20)])
        self.server.add_insecure_port(self.endpoint)

    def __enter__(self):
        self.server.start()
        return self

    def __exit__(self, *_):
        self.server.stop(0).wait()
        self.channel.close()

    def service(self, details):
        method = details.method
        name = method.rsplit("/", 1)[1]
        if name == "GetContainerEvents" or name.startswith("Stream"):
            return grpc.unary_stream_rpc_method_handler(
                lambda request, context: self.stream(method, request, context))
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self.unary(method, request, context))

    def began(self, method, request):
        call = Call(method.rsplit("/", 1)[1], request, time.time())
        with self.lock:
            self.calls.append(call)
        return call

    def unary(self, method, request, context):
        call = self.began(method, request)
        left = context.time_remaining()
        try:
            call.response = self.channel.unary_unary(method)(request, timeout=left if left and left < 1e6 else None)
        except grpc.RpcError as error:
            call.code = error.code().name
            call.ended = time.time()
            context.abort(error.code(), error.details())
        call.ended = time.time()
        return call.response

    def stream(self, method, request, context):
        call = self.began(method, request)
        answers = self.channel.unary_stream(method)(request)
        context.add_callback(answers.cancel)
        try:
            yield from answers
        except grpc.RpcError as error:
            call.code = error.code().name
            if context.is_active():
                context.abort(error.code(), error.details())
        finally:
            call.ended = time.time()

    def since(self, when, methods=None):
        with self.lock:
            return [c for c in self.calls if c.began >= when and (methods is None or c.method in methods)]
